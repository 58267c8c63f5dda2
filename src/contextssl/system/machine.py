"""The machine that a result was computed on."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name, such as ``"AMD EPYC 7763 64-Core Processor"``; of a system that hides it the kind, such as ``"x86_64"``."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
