"""What a machine computes on."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry

from contextssl.config.settings import TrainSettings
from contextssl.data.parallel import available_cpus
from contextssl.errors import SettingsError

KNOWN = ("auto", "cpu", "gpu", "cuda", "mps")


def check_devices(settings: TrainSettings) -> None:
    """Whether this machine has the accelerator and the devices of the settings, before anything is made.

    Raises:
        SettingsError: where it has not.
    """
    name = settings.accelerator
    if name not in KNOWN:
        raise SettingsError(f"accelerator is {name!r}: use {', '.join(KNOWN[:-1])} or {KNOWN[-1]}")
    kind, count = _present(name)
    if count == 0:
        raise SettingsError(f"accelerator={name}: this machine has none; use accelerator=cpu")
    wanted = _wanted(settings.devices)
    if settings.num_nodes < 1:
        raise SettingsError(f"num_nodes is {settings.num_nodes}: it must be at least 1")
    if wanted is None:
        return
    if not wanted:
        raise SettingsError(f"devices is {settings.devices!r}: use auto, -1 for all, a number of them, or a list such as [0,1]")
    if isinstance(wanted, list) and kind == "cpu":
        raise SettingsError(f"devices is {settings.devices!r}: of a CPU give the number of processes, such as devices=2")
    if isinstance(wanted, list) and (beyond := [device for device in wanted if not 0 <= device < count]):
        raise SettingsError(f"devices names {beyond[0]}: this machine has {count}, counted from 0")
    if isinstance(wanted, int) and wanted > count:
        raise SettingsError(f"devices is {wanted}: this machine has {count}")


def _present(name: str) -> tuple[str, int]:
    """The kind that is meant, and how many there are; of processors, one process each, or as many as a launcher has started."""
    kinds = {"auto": ("cuda", "mps", "cpu"), "gpu": ("cuda", "mps")}.get(name, (name,))
    for kind in kinds:
        accelerator: Any = AcceleratorRegistry.get(kind)
        if accelerator.is_available():
            if kind == "cpu":
                started = os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or ""
                return kind, max(available_cpus(), int(started) if started.isdigit() else 0)
            return kind, int(accelerator.auto_device_count())
    return name, 0


def _wanted(devices: Any) -> int | list[int] | None:
    """None for as many as there are; 0 and an empty list for what cannot be."""
    if isinstance(devices, str):
        text = devices.strip()
        if text in ("auto", "-1"):
            return None
        try:
            numbers = [int(part) for part in text.split(",") if part.strip()]
        except ValueError:
            return 0
        return numbers if "," in text else max(numbers[0], 0) if numbers else 0
    if isinstance(devices, bool) or not isinstance(devices, int | list | tuple):
        return 0
    if isinstance(devices, int):
        return None if devices == -1 else max(devices, 0)
    return [int(device) for device in devices] if all(isinstance(device, int) and not isinstance(device, bool) for device in devices) else 0
