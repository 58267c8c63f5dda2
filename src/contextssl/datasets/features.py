"""Features that a user brings, with a list of pairs of them, or a table of factor values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contextssl.config.data_settings import DataSettings
from contextssl.data_set import DataSet, Opened
from contextssl.errors import DataError


def _open(settings: DataSettings, progress: bool) -> Opened:
    from contextssl.data.brought_features import read_features

    brought = read_features(settings.features)
    file = None if settings.path is None else Path(settings.path)
    if file is not None and not file.is_file():
        raise DataError(f"there is no file {file}: check the path")
    if file is not None and _lists_pairs(file):
        from contextssl.data.feature_pairs import feature_pairs
        from contextssl.data.without_values import refuse_what_reads_values

        refuse_what_reads_values(settings)
        return feature_pairs(brought, file, settings)
    from contextssl.data.tables import extra

    with extra():
        from contextssl.data.feature_table import feature_table
    return feature_table(brought, file, settings, progress)


def _lists_pairs(file: Path) -> bool:
    """Whether a file is a list of pairs, and no table of views, by its first line."""
    with file.open("rb") as opened:
        first = opened.readline(1 << 16).decode("utf-8", "replace").lower()
    return {"first", "second"} <= {column.strip(' "\ufeff\r\n') for column in first.split(",")}


def _about(source: Mapping[str, Any]) -> str:
    items = ", ".join(f"{count:,} {split}" for split, count in source["items"].items())
    if "pairs" in source:
        return f"{source['pairs']:,} pairs of the kinds {', '.join(source['kinds'])}; rows of features: {items}"
    return f"items: {items}, {source['views']} rows of features each"


DATA_SET = DataSet(
    "features",
    _open,
    place=7,
    views="features",
    reads=("features", "path", "factors", "val_fraction", "split_seed", "delimiter", "decimal", "encoding"),
    usual="features",
    usual_examples="features_examples",
    found_by="features",
    about=_about,
)
