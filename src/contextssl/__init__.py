"""In-context symmetries: one representation, made invariant or equivariant to chosen transformations by showing it examples."""

from contextssl.version import __version__

__all__ = ["__version__"]
