"""The published implementation's outputs, and the weights and inputs that they came from (tests/reference_outputs/README.md)."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "reference_outputs"


@cache
def outputs() -> dict[str, np.ndarray]:
    """By name, of all parts."""
    arrays: dict[str, np.ndarray] = {}
    for part in ("outputs.npz", "baselines.npz"):
        with np.load(FOLDER / part) as file:
            arrays.update({name: file[name] for name in file.files})
    return arrays


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the checkpoint of part B."""
    return {name: tuple(shape) for name, shape in json.loads((FOLDER / "state_dict_shapes.json").read_text()).items()}


def _draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.RandomState(zlib.crc32(f"public:{name}".encode())).standard_normal(shape)


def input_tensor(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    return torch.from_numpy((_draw(name, shape) * scale).astype(np.float32))


def weight(part: str, key: str, shape: tuple[int, ...]) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.long)
    x = _draw(part + key, shape)
    if key.endswith("running_mean"):
        value = 0.1 * x
    elif key.endswith("running_var"):
        value = 1 + 0.1 * np.abs(x)
    elif len(shape) >= 2:
        value = x / np.sqrt(np.prod(shape[1:]))
    elif key.endswith("weight"):
        value = 1 + 0.1 * x
    else:
        value = 0.02 * x
    return torch.from_numpy(value.astype(np.float32))


def published_state() -> dict[str, Tensor]:
    """The weights of part B in the published format."""
    return {key: weight("network.", key, shape) for key, shape in published_shapes().items()}


def predictor_state() -> dict[str, Tensor]:
    """The weights of part A: the predictor alone, tokens of 32 numbers and actions of 6."""
    shapes = {key.removeprefix("predictor."): shape for key, shape in published_shapes().items() if key.startswith("predictor.")}
    shapes["_read_in.weight"] = (shapes["_read_in.weight"][0], 32 + 6)
    shapes["_read_out.weight"] = (32, shapes["_read_out.weight"][1])
    shapes["_read_out.bias"] = (32,)
    return {key: weight("predictor.", key, shape) for key, shape in shapes.items()}
