"""The device that a frozen model computes on."""

from __future__ import annotations

import torch

from contextssl.errors import SettingsError


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
    return torch.device(name)
