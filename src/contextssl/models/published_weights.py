"""The published implementation's checkpoints: its tensor names, and what they say of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from contextssl.errors import CheckpointError

# The method whose models the format holds.
METHOD = "contextssl"
# What the published implementation normalises images by, in units of 0 to 1: the statistics of 3DIEBench.
IMAGE_MEAN = (0.5016, 0.5037, 0.5060)
IMAGE_STD = (0.1030, 0.0999, 0.0969)

# Where state dicts are kept in files of other tools; the first that has the published names is used.
NESTED = ("state_dict", "model", "model_state_dict", "net", "network", "module")
# How deep a state dict may lie in dictionaries.
DEEPEST = 3

# Saved by the published implementation, but never used by it.
UNUSED = ("equiv_linear.", "rel_aug_predictor.")
_PARTS = {"enc": "encoder", "aug_predictor": "auxiliary"}
_BLOCK = {
    "ln_1": "attention_norm",
    "attn.c_attn": "queries_keys_values",
    "attn.c_proj": "attention_out",
    "ln_2": "mlp_norm",
    "mlp.c_fc": "mlp_in",
    "mlp.c_proj": "mlp_out",
}


def is_published(state: Mapping[str, object]) -> bool:
    """Whether a state dict has the published names."""
    return any(key.startswith("predictor._read_in") for key in state) and any(key.startswith("enc.") for key in state)


def rename(key: str) -> str:
    """The name here of a published tensor. Raises CheckpointError for a name that the published format does not have."""
    part, _, rest = key.partition(".")
    if part == "predictor":
        return f"predictor.{rename_predictor(rest)}"
    if part not in _PARTS:
        raise CheckpointError(f"tensor {key!r} is not of the published format (enc.*, predictor.*, aug_predictor.*)")
    return f"{_PARTS[part]}.{rest}"


def rename_predictor(key: str) -> str:
    """The same for a predictor alone (keys without the prefix ``predictor.``)."""
    if match := re.fullmatch(r"_read_(in|out)\.(weight|bias)", key):
        return f"read_{match[1]}.{match[2]}"
    if match := re.fullmatch(r"transformer\.ln_f\.(weight|bias)", key):
        return f"norm.{match[1]}"
    if (match := re.fullmatch(r"transformer\.h\.(\d+)\.(.+)\.(weight|bias)", key)) and match[2] in _BLOCK:
        return f"blocks.{match[1]}.{_BLOCK[match[2]]}.{match[3]}"
    raise CheckpointError(f"tensor {key!r} is not of the published format's predictor")


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict under the names here, without what is never used."""
    return {rename(key): value for key, value in state.items() if not key.startswith(UNUSED)}


def architecture(state: Mapping[str, Tensor]) -> dict[str, int | str]:
    """What the (translated) tensors say: backbone and widths, but not heads and block size. Raises CheckpointError where the encoder is none of
    the ResNets that the published implementation trains.
    """
    if "encoder.conv1.weight" not in state:
        raise CheckpointError("the published checkpoint's encoder has no conv1: only its ResNets can be loaded")
    shapes = []
    for part in ("encoder.conv1", "predictor.read_in", "predictor.read_out", "auxiliary.0", "auxiliary.4"):
        found = state.get(f"{part}.weight")
        if found is None or found.ndim != (4 if part == "encoder.conv1" else 2):
            what = "is missing" if found is None else f"has shape {tuple(found.shape)}"
            raise CheckpointError(f"the published checkpoint is damaged: its tensor {part}.weight {what}")
        shapes.append(found.shape)
    first, read_in, read_out, hidden, latents = shapes
    blocks = {int(match[1]) for key in state if (match := re.match(r"predictor\.blocks\.(\d+)\.", key))}
    if blocks != set(range(len(blocks))):
        raise CheckpointError("the published checkpoint is damaged: its predictor's layers are not numbered from 0 on")
    return {
        "backbone": backbone_of({key.removeprefix("encoder."): state[key] for key in state if key.startswith("encoder.")}),
        "channels": first[1],
        "stem": "default" if first[-1] == 7 else "small",
        "feature_width": read_in[1] - latents[0],
        "action_width": latents[0],
        "projection_dim": read_out[0],
        "width": read_in[0],
        "n_layer": len(blocks),
        "auxiliary_width": hidden[0],
    }


def backbone_of(encoder: Mapping[str, Tensor]) -> str:
    """Which ResNet the tensors of an encoder are. Raises CheckpointError where they are none of those that the published implementation trains."""
    bottleneck = "layer1.0.conv3.weight" in encoder
    blocks = tuple(sum(bool(re.fullmatch(rf"layer{i}\.\d+\.conv1\.weight", key)) for key in encoder) for i in (1, 2, 3, 4))
    plain: dict[tuple[int, ...], str] = {(2, 2, 2, 2): "resnet18", (3, 4, 6, 3): "resnet34"}
    deep: dict[tuple[int, ...], str] = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101"}
    found = (deep if bottleneck else plain).get(blocks)
    if found is None:
        raise CheckpointError(f"the published checkpoint's encoder has blocks {blocks}: it is none of ResNet-18, -34, -50, -101")
    return found


def statistics_of(state: Mapping[str, Tensor]) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Mean and deviation that the published implementation normalises by; None of an encoder of other than its three channels."""
    first = state.get("enc.conv1.weight")
    return (IMAGE_MEAN, IMAGE_STD) if first is not None and first.ndim == 4 and first.shape[1] == len(IMAGE_MEAN) else (None, None)


def state_in(content: Mapping[str, object], depth: int = 0) -> dict[str, Tensor] | None:
    """The state dict with the published names in a file's content, whatever wrapped it or its parts; None where there is none. Raises
    CheckpointError where there are several, and none lies where one is usually kept.
    """
    state = unwrapped(content)
    if state is not None or depth == DEEPEST:
        return state
    inner = {str(key): value for key, value in content.items() if isinstance(value, Mapping)}
    for key in NESTED:
        if key in inner and (state := state_in(inner.pop(key), depth + 1)) is not None:
            return state
    found = {key: state for key, value in inner.items() if (state := state_in(value, depth + 1)) is not None}
    if len(found) > 1:
        raise CheckpointError(f"the file holds several models, {', '.join(sorted(found))}: save the state dict of one of them alone")
    return next(iter(found.values()), None)


def unwrapped(state: Mapping[str, object]) -> dict[str, Tensor] | None:
    """Tensors by their published names: without the ``module.`` and ``_orig_mod.`` that DataParallel and torch.compile put before names, at any
    depth, and without what a module around the network put before all of its (``model.`` of a Lightning module). Raises CheckpointError where two
    tensors would have one name, or the file holds several networks.
    """
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            continue
        name = ".".join(part for part in key.split(".") if part not in ("module", "_orig_mod"))
        if name in tensors:
            raise CheckpointError(f"the file holds two tensors {name}, with wrappers and without: save the state dict of one model alone")
        tensors[name] = value
    ends = [key.removesuffix("predictor._read_in.weight") for key in tensors if key.endswith("predictor._read_in.weight")]
    prefixes = [prefix for prefix in ends if is_published({k.removeprefix(prefix): None for k in tensors if k.startswith(prefix)})]
    if not prefixes or "" in prefixes:
        return tensors if prefixes else None
    if len(prefixes) > 1:
        raise CheckpointError(f"the file holds several models, {', '.join(sorted(prefixes))}: save the state dict of one of them alone")
    return {key.removeprefix(prefixes[0]): value for key, value in tensors.items() if key.startswith(prefixes[0])}
