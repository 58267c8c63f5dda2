"""The published implementation's checkpoints: its tensor names, and what they tell of the network."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from contextssl.errors import CheckpointError

# Saved by the published implementation, but never used by it.
UNUSED = ("equiv_linear.", "rel_aug_predictor.")

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
    """The name here of a published tensor.

    Raises:
        CheckpointError: for a name that the published format does not have.
    """
    if key.startswith("enc."):
        return "encoder." + key.removeprefix("enc.")
    if key.startswith("aug_predictor."):
        return "auxiliary." + key.removeprefix("aug_predictor.")
    if key.startswith("predictor."):
        return "predictor." + rename_predictor(key.removeprefix("predictor."))
    raise CheckpointError(f"tensor {key!r} is not of the published format (enc.*, predictor.*, aug_predictor.*)")


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
    """What the (translated) tensors tell: backbone and widths. Heads and block size they do not tell.

    Raises:
        CheckpointError: where the encoder is none of the ResNets that the published implementation trains.
    """
    layers = 1 + max(int(match[1]) for key in state if (match := re.match(r"predictor\.blocks\.(\d+)\.", key)))
    feature = state["predictor.read_in.weight"].shape[1] - state["auxiliary.4.weight"].shape[0]
    return {
        "backbone": _backbone(state),
        "channels": int(state["encoder.conv1.weight"].shape[1]),
        "stem": "default" if state["encoder.conv1.weight"].shape[-1] == 7 else "small",
        "feature_width": int(feature),
        "action_width": int(state["auxiliary.4.weight"].shape[0]),
        "projection_dim": int(state["predictor.read_out.weight"].shape[0]),
        "width": int(state["predictor.read_in.weight"].shape[0]),
        "n_layer": layers,
        "auxiliary_width": int(state["auxiliary.0.weight"].shape[0]),
    }


def _backbone(state: Mapping[str, Tensor]) -> str:
    if "encoder.conv1.weight" not in state:
        raise CheckpointError("the published checkpoint's encoder has no conv1: only its ResNets can be loaded")
    bottleneck = "encoder.layer1.0.conv3.weight" in state
    blocks = tuple(sum(bool(re.fullmatch(rf"encoder\.layer{i}\.\d+\.conv1\.weight", key)) for key in state) for i in (1, 2, 3, 4))
    known: dict[tuple[tuple[int, ...], bool], str] = {
        ((2, 2, 2, 2), False): "resnet18",
        ((3, 4, 6, 3), False): "resnet34",
        ((3, 4, 6, 3), True): "resnet50",
        ((3, 4, 23, 3), True): "resnet101",
    }
    if (blocks, bottleneck) not in known:
        raise CheckpointError(f"the published checkpoint's encoder has blocks {blocks}: it is none of ResNet-18, -34, -50, -101")
    return known[blocks, bottleneck]


def strip_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the ``module.`` and ``_orig_mod.`` that DataParallel and torch.compile put before names."""
    prefix = re.compile(r"^(?:module\.|_orig_mod\.)+")
    return {prefix.sub("", key): value for key, value in state.items() if isinstance(value, torch.Tensor)}
