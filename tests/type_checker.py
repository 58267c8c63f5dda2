"""What checks the package's annotations, shapes and dtypes among them, while the tests run: see ``conftest.py``."""

from beartype import BeartypeConf, beartype

# As for other type checkers, an int is a float, too.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
