"""A context as a file, and which model it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from contextssl.errors import DataError, InputError
from contextssl.models.predictor import Context
from contextssl.models.tensors_file import read_tensors, write_tensors
from contextssl.models.weights_mark import WeightsMark
from contextssl.system.files import parse_json
from contextssl.version import __version__

FORMAT = 1
# In the file's metadata.
ABOUT = "contextssl.context"
# In a file that holds a model too, before the names of the context's tensors.
PREFIX = "context."
# Tensors of a context; the last only where it can be described.
TENSORS = ("keys", "values", "features")


def context_tensors(context: Context) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a context, as a file holds them. Raises InputError where it is not known which weights made it."""
    digest = None if context.mark is None else context.mark.digest
    if digest is None:
        raise InputError("the weights of the model have changed since this context was made: make it again")
    about = {"format": FORMAT, "version": __version__, "model": digest, "environment": context.environment, "held": context.held}
    tensors = {name: each for name in TENSORS if (each := getattr(context, name)) is not None}
    return {PREFIX + name: each.detach().float().cpu().contiguous() for name, each in tensors.items()}, {ABOUT: json.dumps(about)}


def write_context(context: Context, path: Path) -> None:
    """Writes a file that is whole or absent. Raises InputError as :func:`context_tensors`, DataError where it cannot be written."""
    tensors, about = context_tensors(context)
    write_tensors(path, about, tensors)


def read_context(path: Path) -> Context:
    """The context of a file, on the CPU; no code is read. Raises DataError for a file that is missing, damaged, or none of a context."""
    none = "holds no context: write one by context.save, or contextssl context make"
    metadata, found = read_tensors(path, ABOUT, none)
    about: Any = parse_json(metadata[ABOUT], path)
    tensors = {name.removeprefix(PREFIX): each for name, each in found.items() if name.startswith(PREFIX)}
    if not isinstance(about, dict):
        raise DataError(f"{path} {none}")
    if about.get("format") != FORMAT:
        written, by = (str(about.get(name))[:40] for name in ("format", "version"))
        raise DataError(f"{path} has format {written}, written by version {by}: this version reads {FORMAT}")
    keys, values, features = (tensors.get(name) for name in TENSORS)
    held, digest, environment = about.get("held"), about.get("model"), about.get("environment")
    sound = (
        keys is not None
        and values is not None
        and keys.shape == values.shape
        and keys.ndim == 4
        and type(held) is int
        and held > 0
        and keys.shape[2] % held == 0
        and isinstance(digest, str)
        and isinstance(environment, str | None)
        and (features is None or (features.ndim == 3 and len(features) * held == keys.shape[2]))
        and all(bool(each.isfinite().all()) for each in tensors.values())
    )
    if not sound:
        raise DataError(f"{path} is damaged: its tensors are not those of a context; write it again by context.save")
    assert keys is not None and values is not None and held is not None
    return Context(keys, values, environment, held, features, mark=WeightsMark(digest=digest))
