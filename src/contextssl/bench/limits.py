"""What a machine can do at best, measured: products of matrices, and copies of memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from contextssl.bench.turns import seconds_of
from contextssl.system.precision import BF16

# How large the square matrices are, and how many bytes are copied: larger ones are no faster.
SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
COPIED = {"cpu": 2**28, "cuda": 2**30, "mps": 2**28}
# Seconds that each is repeated for; the fastest counts.
SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """Floating-point operations/s of a product of matrices in a precision, and bytes/s that a copy reads and writes."""

    operations: float
    bytes: float


def measure_limits(device: torch.device, precision: str, seconds: float = SECONDS) -> Limits:
    """The limits of a device in a precision (``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"``)."""
    kind = torch.bfloat16 if precision == BF16 else torch.float16 if precision == "16-mixed" else torch.float32
    side, count = SIDE[device.type], COPIED[device.type]
    left, right = (torch.rand(side, side, device=device).to(kind) for _ in range(2))
    product = torch.empty(side, side, dtype=kind, device=device)
    source, target = (torch.zeros(count, dtype=torch.uint8, device=device) for _ in range(2))
    return Limits(
        2 * side**3 / _fastest(lambda: torch.mm(left, right, out=product), device, seconds),
        2 * count / _fastest(lambda: target.copy_(source), device, seconds),
    )


def _fastest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    work()
    end, best = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        best = min(best, seconds_of(work, device))
    return best
