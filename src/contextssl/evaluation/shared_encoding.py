"""Features of views that several processes encode: each its share, which it leaves in the cache, where the first finds those of the others.

Nothing is exchanged but files, so the processes may lie on several machines that share the folder; each view is encoded by one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contextssl.system.distributed import launched

# Seconds between two looks for the share of another process, and how long it is waited for at least; and as a multiple of what the own share took.
LOOK_SECONDS, LEAST_SECONDS, PATIENCE = 0.2, 60.0, 3.0


@dataclass(frozen=True)
class Share:
    """One of several processes."""

    rank: int = 0
    world: int = 1

    def rows(self, count: int, rank: int | None = None) -> slice:
        """Which of so many views this process encodes, or another one: consecutive ones, every view in one share."""
        of = self.rank if rank is None else rank
        return slice(count * of // self.world, count * (of + 1) // self.world)


ALONE = Share()


def share_here() -> Share:
    """This process's share, as it was launched."""
    launch = launched()
    return Share(launch.rank, launch.world)


def gathered(share: Share, own: Callable[[], Tensor], other: Callable[[int], Tensor | None], here: Callable[[int], Tensor]) -> Tensor:
    """The shares of all processes, in order, in the first of them.

    Args:
        own: makes this process's.
        other: that of another process, None while it is not there.
        here: makes it here, where the other process has not made it in time.
    """
    began = time.monotonic()
    parts = {share.rank: own()}
    deadline = time.monotonic() + max(LEAST_SECONDS, PATIENCE * (time.monotonic() - began))
    missing = [rank for rank in range(share.world) if rank not in parts]
    while missing and time.monotonic() < deadline:
        found = {rank: part for rank in missing if (part := other(rank)) is not None}
        parts |= found
        missing = [rank for rank in missing if rank not in found]
        if missing:
            time.sleep(LOOK_SECONDS)
    return torch.cat([parts[rank] if rank in parts else here(rank) for rank in range(share.world)])
