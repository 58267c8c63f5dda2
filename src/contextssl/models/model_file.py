"""A model, and with it a context if wanted, as one safetensors file: weights, and the plain values that rebuild it. No code is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contextssl.config.settings import TrainSettings
from contextssl.config.validation import fields_of
from contextssl.digest import digest_of_bytes
from contextssl.errors import CheckpointError, DataError, InputError
from contextssl.models.carried_views import CarriedViews
from contextssl.models.context_file import context_tensors
from contextssl.models.predictor import Context
from contextssl.models.tensors_file import CONTENT, bytes_of, read_tensors, write_tensors
from contextssl.models.view_encoder import ViewEncoder
from contextssl.system.files import parse_json

SUFFIX = ".safetensors"
# In the file's metadata: what rebuilds the model, and the digest of that and of the model's tensors that version 0.1 wrote, and needs.
ABOUT, DIGEST = "contextssl.model", "contextssl.digest"
# What says in a description of data where they lie.
PLACES = ("path", "places", "split_file")
# Before the names of the model's tensors, and of the views that it carries.
WEIGHTS, CARRIED = "model.", "carried."


def write_model(model: ViewEncoder, path: Path, context: Context | None = None, *, half: bool | None = None) -> None:
    """Writes a model that was loaded, and a context of it, to a file that is whole or absent; ``contextssl.load`` and ``model.load_context`` read it.

    Args:
        half: whether weights are rounded to float16, which halves the file; default: where there is no context, which belongs to weights as they
            are.

    Raises:
        InputError: for a model that was not loaded from a run, so that it is not known how to build it again, or whose weights float16 cannot hold;
            for another model's context, and one beside rounded weights.
        DataError: where the file cannot be written.
    """
    if model.recipe is None:
        raise InputError(
            "this model was built by hand, and only one that was loaded can be saved in this form: use torch.save(model.state_dict(), …)"
        )
    model.check_context(context)
    half = context is None if half is None else half
    if half and context is not None:
        raise InputError(
            "a context belongs to weights as they are: save with half=False, or load the rounded model and make the context by it"
        )
    tensors = {WEIGHTS + name: _stored(each, half) for name, each in model.state_dict().items()}
    if half and (beyond := [name for name, each in tensors.items() if each.dtype == torch.float16 and not bool(each.isfinite().all())]):
        raise InputError(f"{beyond[0].removeprefix(WEIGHTS)} has numbers that float16 cannot hold: save with half=False")
    carried = getattr(model, "carried", None)
    if isinstance(carried, CarriedViews):
        tensors |= {CARRIED + name: _stored(each, True) for name, each in _flat(carried.to_dict()).items()}
    about = json.dumps(shareable(model.recipe), sort_keys=True)
    metadata = {ABOUT: about, DIGEST: _digest(about, tensors)}
    if context is not None:
        more, of_context = context_tensors(context)
        tensors, metadata = {**tensors, **more}, {**metadata, **of_context}
    write_tensors(path, metadata, tensors)


def read_model(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any] | None]:
    """What rebuilds the model, its weights in float32, and the views that it carries, as :meth:`CarriedViews.to_dict` gives them.
    Raises CheckpointError for a file that is missing, damaged, or holds no model of ours.
    """
    try:
        metadata, found = read_tensors(path, ABOUT, "holds no model of contextssl: it was written by another program")
        made = parse_json(metadata[ABOUT], path)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    tensors = {name: each for name, each in found.items() if name.startswith((WEIGHTS, CARRIED))}
    if CONTENT not in metadata and _digest(metadata[ABOUT], tensors) != metadata.get(DIGEST):
        raise CheckpointError(f"{path} is damaged: its digest is not that of its content; get it again")
    weights = {name.removeprefix(WEIGHTS): _whole(each) for name, each in tensors.items() if name.startswith(WEIGHTS)}
    carried = {name.removeprefix(CARRIED): each for name, each in tensors.items() if name.startswith(CARRIED)}
    if not isinstance(made, dict):
        raise CheckpointError(f"{path} is damaged: what rebuilds its model is a {type(made).__name__}; get it again")
    return made, weights, _nested(carried) if carried else None


def shareable(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What rebuilds a model, without the places of this machine: a file of a model is handed on."""
    paths = {name for name, field in fields_of(TrainSettings).items() if field.metadata["path"]}
    settings = {name: None if name in paths and value is not None else value for name, value in recipe["settings"].items()}
    data = _without_places(recipe["data"])
    if data != recipe["data"]:
        # Whoever reads it can open such data by their name, at another place.
        data["places"] = {}
    return {**recipe, "settings": settings | {"output_dir": "runs"}, "data": data}


def _without_places(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _without_places(value) for name, value in values.items() if name not in PLACES}
    return values


def _digest(about: str, tensors: Mapping[str, Tensor]) -> str:
    return digest_of_bytes([about, *(bytes_of(tensors[name]) for name in sorted(tensors)), *sorted(tensors)], digits=64)


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.half() if half and tensor.dtype.is_floating_point else tensor).contiguous()


def _whole(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def _flat(values: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors in a dictionary of dictionaries, by both names."""
    flat: dict[str, Tensor] = {}
    for part, each in values.items():
        flat |= {part: each} if isinstance(each, Tensor) else {f"{part}/{name}": tensor for name, tensor in each.items()}
    return flat


def _nested(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The inverse of :func:`_flat`, with the parts that views need."""
    nested: dict[str, Any] = {"factors": {}, "examples": {}}
    for key, tensor in tensors.items():
        part, slash, name = key.partition("/")
        if slash:
            nested.setdefault(part, {})[name] = tensor
        else:
            nested[part] = tensor
    return nested
