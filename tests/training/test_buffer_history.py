"""Buffers come back as they were before any of the last steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from contextssl.training.buffer_history import BufferHistory


@pytest.mark.parametrize("steps", [1, 3])
def test_buffers_come_back_as_they_were(steps: int) -> None:
    norms = nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(4))
    norms.register_buffer("empty", torch.empty(0))
    history = BufferHistory(steps)
    seen: dict[int, dict[str, torch.Tensor]] = {}
    for step in range(7):
        seen[step] = {name: buffer.clone() for name, buffer in norms.named_buffers()}
        history.remember(step, norms.buffers())
        norms(torch.randn(8, 4, generator=torch.Generator().manual_seed(step)) + (float("nan") if step > 4 else 0))
    for step in range(7 - steps, 7):
        history.restore(step, norms.buffers())
        for name, buffer in norms.named_buffers():
            torch.testing.assert_close(buffer, seen[step][name], rtol=0, atol=0, equal_nan=True)
    assert int(seen[6]["0.num_batches_tracked"]) == 6


def test_a_module_of_other_buffers_is_remembered_anew() -> None:
    history, few = BufferHistory(1), [torch.zeros(2)]
    history.remember(0, few)
    history.remember(1, [*few, torch.ones(3)])
    found = [torch.full((2,), 5.0), torch.full((3,), 5.0)]
    history.restore(1, found)
    assert found[0].tolist() == [0, 0] and found[1].tolist() == [1, 1, 1]
