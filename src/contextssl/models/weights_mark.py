"""Which weights a context was made with, so that no other model is given it."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from contextssl.digest import digest_of_bytes

# Of what no embedding depends on.
NOT_MARKED = "bottleneck."


def weights_fingerprint(model: nn.Module, architecture: Mapping[str, Any] | None = None) -> str:
    """16 hexadecimal digits of every weight and buffer, and of an architecture's plain values, as version 0.1 had it."""
    return _fingerprint(model.state_dict(), architecture)


def _fingerprint(state: Mapping[str, Tensor], architecture: Mapping[str, Any] | None = None) -> str:
    def parts() -> Iterator[bytes | str]:
        for name, tensor in sorted(state.items()):
            yield f"{name} {tensor.dtype} {tuple(tensor.shape)}"
            yield tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        if architecture is not None:
            yield json.dumps(architecture, sort_keys=True)

    return digest_of_bytes(parts())


class WeightsMark:
    """The weights of a model at one moment. Costs next to nothing to make: their digest is computed where it is asked for.

    Args:
        model: whose weights they are; None for those of a file, of which the digest is known.
    """

    def __init__(self, model: nn.Module | None = None, digest: str | None = None) -> None:
        self._model = None if model is None else weakref.ref(model)
        self._versions = None if model is None else _versions(model)
        self._digest = digest

    @property
    def digest(self) -> str | None:
        """16 hexadecimal digits of the weights; None where they have changed since, or are gone, and nobody had asked before."""
        model = None if self._model is None else self._model()
        if self._digest is None and model is not None and _versions(model) == self._versions:
            self._digest = _fingerprint({name: each for name, each in model.state_dict().items() if not name.startswith(NOT_MARKED)})
        return self._digest

    def __getstate__(self) -> dict[str, Any]:
        """Of a copy in another process: the digest alone."""
        return {"_model": None, "_versions": None, "_digest": self.digest}

    def is_of(self, versions: tuple[tuple[int, int], ...]) -> bool:
        return self._versions == versions


_LATEST: WeakKeyDictionary[nn.Module, WeightsMark] = WeakKeyDictionary()


def mark_of(model: nn.Module) -> WeightsMark:
    """The mark of the model's present weights, the same one until they change."""
    found = _LATEST.get(model)
    if found is None or not found.is_of(_versions(model)):
        found = _LATEST[model] = WeightsMark(model)
    return found


def _versions(model: nn.Module) -> tuple[tuple[int, int], ...]:
    """Which tensors the weights are, and how often each was changed in place."""
    named = [*model.named_parameters(), *model.named_buffers()]
    # Of tensors of torch.inference_mode nobody counts the changes.
    return tuple((id(each), 0 if each.is_inference() else each._version) for name, each in named if not name.startswith(NOT_MARKED))
