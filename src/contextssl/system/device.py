"""The device that a setting names."""

from __future__ import annotations

import torch

from contextssl.errors import SettingsError


def device_of(accelerator: str) -> torch.device:
    """``"auto"`` and ``"gpu"`` are the best that is there. Raises SettingsError where this machine has none of that kind."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = {"gpu": "cuda", "auto": next(name for name, there in available.items() if there)}.get(accelerator, accelerator)
    if not available.get(name, True):
        raise SettingsError(f"accelerator={accelerator}: this machine has none; use accelerator=cpu")
    return torch.device(name)
