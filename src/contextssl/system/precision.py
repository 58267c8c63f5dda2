"""The precision that a device computes in."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from contextssl.system.machine import processor

BF16, FLOAT32 = "bf16-mixed", "32-true"


def choose_precision(precision: str, accelerator: str) -> str:
    """``auto``: bf16 on GPUs that compute in it and on CPUs that gain from it; float32 elsewhere. Any other word as it is.

    ``accelerator`` is ``"cpu"``, ``"gpu"``, ``"cuda"``, ``"mps"``, or ``"auto"``: the best that is there.
    """
    if precision != "auto":
        return precision
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return BF16 if torch.cuda.is_bf16_supported(including_emulation=False) else FLOAT32
    if accelerator == "mps" or (accelerator in ("auto", "gpu") and torch.backends.mps.is_available()):
        return FLOAT32
    return BF16 if _gains_from_bf16() else FLOAT32


def _gains_from_bf16() -> bool:
    """Whether this CPU multiplies bf16 faster than float32.

    AVX-512's bf16 instructions run at full rate on AMD's cores. On Intel's they run at half of it, and what is gained there is gained in AMX's
    tiles, which a virtual machine may hide: the demo's training without them takes 1.2 times as long in bf16 as in float32. Where PyTorch was
    restricted to older kernels (``ATEN_CPU_CAPABILITY``), its attention in bf16 fails on a processor with tiles.
    """
    if platform.machine().lower() in ("x86_64", "amd64") and not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if any(able.get(name) for name in ("amx_bf16", "arm_bf16", "bf16")):
        return True
    return bool(able.get("avx512_bf16")) and "intel" not in processor().lower()


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Computing in a precision of :func:`choose_precision`; in float32 whatever surrounds it counts."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == BF16 else nullcontext()
