"""The package of examples/plugin as ``pip install`` leaves it, without pip."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contextssl import protocol
from contextssl.data.augmentations.compose import KINDS as AUGMENTATIONS
from contextssl.data_set import DATA_SETS
from contextssl.head import HEADS
from contextssl.method import COMPARED, METHODS
from contextssl.metric import METRICS
from contextssl.protocol import PROTOCOLS

PLUGIN = Path(__file__).parents[1] / "examples/plugin"
KINDS = (METHODS, COMPARED, DATA_SETS, PROTOCOLS, HEADS, METRICS, AUGMENTATIONS)


@contextmanager
def installed_example(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its module can be imported, and ``folder/site`` holds metadata with the entry points that its pyproject.toml declares."""
    declared = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    metadata = folder / "site/contextssl_example-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n")
    groups = declared["entry-points"].items()
    lines = [line for group, names in groups for line in (f"[{group}]", *(f"{name} = {place}" for name, place in names.items()))]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.syspath_prepend(str(metadata.parent))
    look_again()
    yield
    look_again()


def look_again() -> None:
    """Drop what was found on the path before it changed."""
    for kind in KINDS:
        kind.__dict__.pop("_installed", None)
    protocol.metric_of.cache_clear()
