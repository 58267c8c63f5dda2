"""The kinds of a campaign, by name; each is one file."""

from __future__ import annotations

import importlib

from faults.frame import Kind

# In the order in which they are tried: hostile files are read by forks of the campaign's own process, before it computes anything.
MODULES = {
    "hostile": "hostile_files",
    "damages": "damages",
    "kills": "kills",
    "disks": "disks",
    "memory": "memory",
    "at_once": "at_once",
    "long_run": "long_run",
}
NAMES = tuple(MODULES)


def kind(name: str) -> Kind:
    found = importlib.import_module(f"faults.{MODULES[name]}").KIND
    assert isinstance(found, Kind)
    return found
