"""Tensors of a file into a model, exactly or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from contextssl.errors import CheckpointError

Model = TypeVar("Model", bound=nn.Module)


def load_weights(model: Model, state: Mapping[str, Tensor], where: str) -> Model:
    """Put weights into a model, exactly. Raises CheckpointError listing the tensors that are missing, unknown, or of another shape."""
    check_same_tensors(model.state_dict(), state, where)
    model.load_state_dict(dict(state))
    return model


def check_same_tensors(own: Mapping[str, Tensor], state: Mapping[str, Tensor], where: str) -> None:
    """Raises CheckpointError listing the tensors of a file that are missing, unknown, or of another shape or kind of number than a model's own."""
    both = [(key, own[key], state[key]) for key in own if key in state]
    differ = [f"{key} is {tuple(there.shape)} there, {tuple(here.shape)} here" for key, here, there in both if here.shape != there.shape]
    differ += [
        f"{key} is {there.dtype} there, {here.dtype} here"
        for key, here, there in both
        if here.dtype.is_floating_point != there.dtype.is_floating_point
    ]
    differ += [f"{key} is missing there" for key in own if key not in state]
    differ += [f"{key} is unknown here" for key in state if key not in own]
    if differ:
        shown = "; ".join(differ[:5]) + (f"; and {len(differ) - 5} more" if len(differ) > 5 else "")
        raise CheckpointError(f"{where} is of another architecture: {shown}")
