"""How much memory this process has used at most."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from pathlib import Path

import torch


def peak_memory_mib(device: torch.device | None = None) -> float:
    """In MiB: of a CUDA device what torch has allocated there, else of this process; NaN where the system does not say (Windows)."""
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return math.nan
    import resource

    # On Linux a process that another one starts is given that one's peak as its own by getrusage; this is its own.
    with suppress(OSError, StopIteration, ValueError):
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
