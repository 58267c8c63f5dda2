"""A run that torchrun or Slurm has spread over several processes: which one this is, and what all of them have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor


def is_first_process() -> bool:
    """Whether this process writes for all of them. Known from the environment, before any process group exists."""
    return getattr(rank_zero_only, "rank", 0) == 0


def joined(z: Tensor, shares: Sequence[int]) -> Tensor:
    """The rows of all processes one after the other, (sum of shares, …); gradients flow back to the process that each row came from.

    Args:
        z: this process's rows, (its share, …).
        shares: how many rows each process has, known to all beforehand, so that none waits to be told.
    """
    return _Joined.apply(z, tuple(shares))


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, shares: tuple[int, ...]) -> Tensor:
        ctx.shares = shares
        # An exchange takes equal sizes alone: shorter shares travel filled up.
        filled = F.pad(z, (0, 0) * (z.dim() - 1) + (0, max(shares) - len(z))).contiguous()
        parts = [torch.empty_like(filled) for _ in shares]
        dist.all_gather(parts, filled)
        return torch.cat([part[:share] for part, share in zip(parts, shares, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # A row has a part in the loss of every process.
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient.split(ctx.shares)[dist.get_rank()], None
