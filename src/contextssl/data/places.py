"""Where the data of a run lie, such that it is evaluated and resumed from any directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contextssl.config.data_settings import DataSettings
from contextssl.data.stored import is_store
from contextssl.data_set import known_data_set

# Settings that name a file or a folder.
PLACES = ("data_dir", "ood_dir", "path", "split_file", "meshes", "features", "features_dir")


def places(settings: DataSettings) -> dict[str, str]:
    """Where the files and folders that the settings name are, whatever directory a command is given in."""
    return {name: str(Path(value).absolute()) for name in PLACES if (value := getattr(settings, name)) is not None}


def at_recorded_places(settings: DataSettings, recorded: Mapping[str, Any], store: bool = True) -> dict[str, Any]:
    """Of a run's settings those that name files, as a description of its data recorded them, as far as they are still there; where ``store`` the
    packed store that it was trained on takes the place of what it was packed from.
    """
    found = {name: place for name, place in recorded.get("places", {}).items() if name in PLACES and Path(place).exists()}
    path = recorded.get("path")
    if path is None:
        return found
    data_set = known_data_set(settings.dataset)
    if data_set is not None and data_set.views == "rows":
        # Runs from before places were recorded say this much.
        return ({data_set.found_by: path} if Path(path).exists() else {}) | found
    return found | ({"data_dir": path} if store and is_store(Path(path)) else {})
