"""A setting with its meaning and unit beside it, so that ``--help`` and the documentation cannot fall behind."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(default: Any, meaning: str, unit: str = "", choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help."""
    metadata = {"help": meaning, "unit": unit, "choices": choices}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
