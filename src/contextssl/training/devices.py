"""What a machine computes on."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry

from contextssl.config.settings import TrainSettings
from contextssl.data.parallel import available_cpus
from contextssl.errors import SettingsError


def check_devices(settings: TrainSettings) -> None:
    """Whether this machine has the accelerator and the devices of the settings, which are of the kinds that they may be, before anything is made.
    Raises SettingsError where it has not.
    """
    name = settings.accelerator
    kind, count = _present(name)
    if count == 0:
        raise SettingsError(f"accelerator={name}: this machine has none; use accelerator=cpu")
    wanted = _wanted(settings.devices)
    if isinstance(wanted, list) and kind == "cpu":
        raise SettingsError(f"devices is {settings.devices!r}: of a CPU give the number of processes, such as devices=2")
    if isinstance(wanted, list) and (beyond := [device for device in wanted if device >= count]):
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
                return kind, max(available_cpus(), int(started) if started.isdecimal() else 0)
            return kind, int(accelerator.auto_device_count())
    return name, 0


def _wanted(devices: int | list[int] | str) -> int | list[int] | None:
    """How many, or which; None for as many as there are. A text is ``auto``, or as Lightning takes it: ``"2"`` is how many, ``"2,"`` which."""
    if isinstance(devices, str) and "," in devices:
        return [int(part) for part in devices.split(",") if part]
    if isinstance(devices, list):
        return devices
    return None if devices in ("auto", "-1", -1) else int(devices)
