"""Code of the user's own that a setting names as ``package.module:attribute``.

It is imported because the user named it, never because a file did: a checkpoint or a results file may come from anywhere, and importing a module
runs it. So what such a file names has to be named again.
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

# Of the library's augmentations, kornia:RandomSolarize: a name with a colon that is no code of the user's own.
KORNIA = "kornia:"


def imported(name: str, what: str) -> Any:
    """What ``name``, ``package.module:attribute``, names.

    A module in the working directory is found too, as by ``python -m``: that directory joins the end of Python's path where the module is found
    in no other place.

    Args:
        what: it is, for messages, such as ``"augmentation"``.

    Raises:
        SettingsError: where it cannot be imported, whatever its module raises.
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
    """Whether the module's outermost package is loaded, or found on Python's path as it is."""
    outermost = module.split(".")[0]
    if outermost in sys.modules or "" in sys.path:
        return True
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec(outermost) is not None
    return False


def made_by(name: str, setting: str, of_kind: type | tuple[type, ...], kind: str) -> Any:
    """What the function (or class) that ``setting=name`` names returns, called without arguments.

    Raises:
        SettingsError: where it cannot be imported or called, or returns something else.
    """
    function: Callable[[], Any] = imported(name, f"{setting}=")
    if not callable(function):
        raise SettingsError(f"{setting}={name} is a {type(function).__name__}: name a function without arguments that returns {kind}")
    return made(function, f"{setting}={name}", of_kind, kind)


def made(function: Callable[..., Any], named: str, of_kind: type | tuple[type, ...], kind: str, *given: Any) -> Any:
    """What a function of the user's own returns.

    Args:
        named: the word that names it.
        given: its arguments.

    Raises:
        SettingsError: where it fails, or returns something else.
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
    """What ``encoder_factory=name`` makes; its weights are a function of the seed.

    Raises:
        SettingsError: where it cannot be imported or called, or makes no module.
    """
    # Settings find plug-ins by this module, and must not wait for PyTorch.
    from torch import nn

    from contextssl.randomness import DrawingFrom, seeded_generator

    with DrawingFrom(seeded_generator(seed, "encoder")):
        encoder: nn.Module = made_by(name, "encoder_factory", nn.Module, "a torch module with num_features")
    return encoder


def own_names(names: Sequence[str] | None) -> list[str]:
    """Those of a list of names that are code of the user's own."""
    return [name for name in names or () if isinstance(name, str) and ":" in name and not name.startswith(KORNIA)]
