"""How much memory this process has used at most."""

from __future__ import annotations

import math
import sys

import torch


def peak_memory_mib(device: torch.device | None = None) -> float:
    """In MiB: of a CUDA device what torch has allocated there, else of this process; NaN where the system does not say (Windows)."""
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return math.nan
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
