"""Which process this is, of a run that torchrun or Slurm has spread over several."""

from __future__ import annotations

from lightning.pytorch.utilities import rank_zero_only


def is_first_process() -> bool:
    """Whether this process writes for all of them. Known from the environment, before any process group exists."""
    return getattr(rank_zero_only, "rank", 0) == 0
