"""The device that a frozen model computes on."""

from __future__ import annotations

import os

import torch

from contextssl.errors import SettingsError
from contextssl.system.distributed import launched


def chosen_device(accelerator: str) -> torch.device:
    """``"cpu"``, ``"cuda"`` (or ``"gpu"``, ``"cuda:1"``), ``"mps"``; ``"auto"``: the best that is there. Raises SettingsError where this machine has
    none of the kind.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = {"gpu": "cuda", "auto": next(name for name, there in available.items() if there)}.get(accelerator, accelerator)
    kind = name.split(":")[0]
    if kind not in available:
        raise SettingsError(f"unknown device {accelerator!r}: give auto, cpu, cuda or mps")
    if not available[kind]:
        raise SettingsError(f"accelerator={accelerator}: this machine has none; use accelerator=cpu")
    if name == "cuda" and launched().world > 1:
        # Each of several processes has a card of its own.
        name = f"cuda:{int(os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', '0'))) % torch.cuda.device_count()}"
    return torch.device(name)
