"""The settings files that ship with the package, for ``experiment=NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from contextssl.errors import SettingsError, nearest

FOLDER = Path(__file__).parent / "experiment"
EXPERIMENT = "experiment"
# Commands that take experiment=NAME, and the default of each.
EXPERIMENT_OF: Mapping[str, str | None] = {
    "train": None,
    "demo": "shapes_examples",
    "compare": None,
    "reproduce": None,
    "bench train": None,
    "bench evaluate": None,
}
# That of the demo with another kind of context.
DEMO_OF: Mapping[str, str] = {"actions": "shapes_minutes", "evidence": "shapes_minutes"}


def experiments() -> list[str]:
    """The names of the files."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def experiment_values(name: str) -> dict[str, Any]:
    """The settings of a file, on top of those of the files that it names as ``defaults``.
    Raises SettingsError for an unknown name, naming the nearest.
    """
    if name not in experiments():
        raise SettingsError(f"unknown experiment {name!r}: {nearest(name, experiments())}")
    return dict(_values(name))


@cache
def _values(name: str) -> Mapping[str, Any]:
    # Help does not need it.
    from omegaconf import OmegaConf

    content: Any = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{name}.yaml"))
    values: dict[str, Any] = {}
    for parent in content.pop("defaults", []):
        values |= _values(parent)
    return values | content
