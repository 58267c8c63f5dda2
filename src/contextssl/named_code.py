"""The user's own code, which a setting names as ``package.module:attribute``.

It is imported because the user names it, never because a file does: a checkpoint or a results file may come from anywhere, and importing a module
runs it. So the user has to name again what such a file names.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING, Any

from contextssl.errors import ContextSSLError, SettingsError

if TYPE_CHECKING:
    from torch import nn

# Prefix of kornia's augmentations, kornia:RandomSolarize: names with a colon that are not the user's own code.
KORNIA = "kornia:"


def imported(name: str, what: str) -> Any:
    """The object that ``name``, ``package.module:attribute``, names; ``what`` is its kind, for messages, such as ``"augmentation"``.

    A module in the working directory is found too, as with ``python -m``: if it is nowhere else, that directory is appended to Python's path.
    Raises SettingsError if it cannot be imported, whatever its module raises.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise SettingsError(f"{what} {name!r} is not of the form 'package.module:name'")
    try:
        if not _findable(module):
            sys.path.append("")
            importlib.invalidate_caches()
        return reduce(getattr, attribute.split("."), importlib.import_module(module))
    except Exception as error:
        raise SettingsError(f"{what} {name!r} cannot be imported as 'package.module:name': {error}") from error


def _findable(module: str) -> bool:
    """Whether the module's outermost package is loaded, or found on Python's present path."""
    outermost = module.split(".")[0]
    if outermost in sys.modules or "" in sys.path:
        return True
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec(outermost) is not None
    return False


def made_by(name: str, setting: str, of_kind: type | tuple[type, ...], kind: str) -> Any:
    """The return value of the function (or class) that ``setting=name`` names, called without arguments.
    Raises SettingsError if it cannot be imported or called, or returns something else.
    """
    function: Callable[[], Any] = imported(name, f"{setting}=")
    if not callable(function):
        raise SettingsError(f"{setting}={name} is a {type(function).__name__}: name a function without arguments that returns {kind}")
    return made(function, f"{setting}={name}", of_kind, kind)


def made(function: Callable[..., Any], named: str, of_kind: type | tuple[type, ...], kind: str, *given: Any) -> Any:
    """The return value of a function of the user's own, which the setting ``named`` names, called with ``given``.
    Raises SettingsError if it fails, or returns something else.
    """
    try:
        returned = function(*given)
    except ContextSSLError:
        raise
    except Exception as error:
        raise SettingsError(f"{named} failed: {type(error).__name__}: {error}") from error
    if not isinstance(returned, of_kind):
        raise SettingsError(f"{named} returned a {type(returned).__name__}: it must return {kind}")
    return returned


def own_encoder(name: str, seed: int = 0) -> nn.Module:
    """The encoder that ``encoder_factory=name`` returns; its weights are a function of the seed.
    Raises SettingsError if it cannot be imported or called, or returns no module.
    """
    # Settings find plug-ins through this module, and must not wait for PyTorch.
    from torch import nn

    from contextssl.randomness import DrawingFrom, seeded_generator

    with DrawingFrom(seeded_generator(seed, "encoder")):
        encoder: nn.Module = made_by(name, "encoder_factory", nn.Module, "a torch module with num_features")
    return encoder


def own_names(names: Sequence[str] | None) -> list[str]:
    """The names in a list that are the user's own code."""
    return [name for name in names or () if isinstance(name, str) and ":" in name and not name.startswith(KORNIA)]
