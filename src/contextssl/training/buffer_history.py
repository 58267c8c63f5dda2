"""A model's buffers, such as running statistics, as they were before each of the last steps.

Should a loss turn out not to be finite, which on a GPU is known only some steps later, they are what they were before it. A step copies all of them
at once, and nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class BufferHistory:
    """Copies of buffers before each of the last ``steps`` steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._slots: dict[int, list[Tensor]] = {}

    @torch.no_grad()
    def remember(self, step: int, buffers: Iterable[Tensor]) -> None:
        """Before a step."""
        now = list(buffers)
        place = step % self.steps
        held = self._slots.get(place)
        if held is None or len(held) != len(now):
            held = self._slots[place] = [torch.empty_like(buffer) for buffer in now]
        _copy(held, now)

    @torch.no_grad()
    def restore(self, step: int, buffers: Iterable[Tensor]) -> None:
        """The buffers back to what they were before a step, one of the last ones."""
        _copy(list(buffers), self._slots[step % self.steps])


def _copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """In one call for each type of number."""
    kinds = {(tensor.dtype, tensor.device) for tensor in sources}
    for kind in kinds:
        chosen = [(target, source) for target, source in zip(targets, sources, strict=True) if (source.dtype, source.device) == kind]
        torch._foreach_copy_([target for target, _ in chosen], [source for _, source in chosen])
