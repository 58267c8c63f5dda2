"""The documentation site: ``docs/`` with its links made to work there, the API from docstrings, and the settings of every command."""
