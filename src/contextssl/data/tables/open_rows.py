"""From a table to data. Nothing is packed: a table is read in seconds, and held in memory."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data
from contextssl.data.opened import saying
from contextssl.data.tables.open_table import open_table
from contextssl.data.tables.records_table import Table
from contextssl.digest import digest_of_bytes
from contextssl.errors import SettingsError, nearest

# Settings of dataset=table that its files need.
OF_FILES = ("path", "person", "delimiter", "decimal", "encoding", "proxy_columns")


def open_rows(table: Table, settings: DataSettings, path: str, progress: bool) -> Data:
    """The data of a table, whose file or folder ``path`` is; raises as :func:`~contextssl.data.tables.open_table.open_table` does."""
    say = saying(progress)
    opened = open_table(table, settings)
    for note in opened.notes:
        say(f"note: {note}")
    say(opened.columns.summary())
    digests = [f"{split}{pairs.views.digest()}" for split, pairs in opened.pairs.items()]
    return Data(
        train=opened.pairs["train"],
        val=opened.pairs["val"],
        test=opened.pairs.get("test"),
        view_shape=(len(opened.columns),),
        columns=opened.columns,
        description={
            "path": str(Path(path).resolve()),
            "fingerprint": digest_of_bytes(digests),
            "source": dict(table.description),
            "notes": list(opened.notes),
        },
    )


def refuse_twice(settings: DataSettings) -> None:
    """Raises SettingsError for a factor that is named twice."""
    named = settings.factors or []
    if twice := [name for name in named if named.count(name) > 1]:
        raise SettingsError(f"factor named twice: {twice[0]}")


def refuse_words_of_files(settings: DataSettings) -> None:
    """Raises SettingsError for a factor that is named twice, and for settings that a data set of known files does not have."""
    refuse_twice(settings)
    for name in OF_FILES:
        if getattr(settings, name) is not None:
            raise SettingsError(f"{name} is for dataset=table and means nothing to dataset={settings.dataset}: leave it out")


def check_columns(table: Table, settings: DataSettings) -> None:
    """Raises SettingsError for columns to drop that do not exist."""
    for name in settings.drop_columns:
        if name not in table.frame:
            raise SettingsError(f"drop_columns: {settings.dataset} has no column {name!r}: {nearest(name, map(str, table.frame.columns))}")
