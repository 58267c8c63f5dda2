"""From settings to a table: which reader, and with what."""

from __future__ import annotations

from collections.abc import Callable

from contextssl.config.data_settings import DataSettings
from contextssl.data.tables.adult import read_adult
from contextssl.data.tables.mimic3 import read_mimic3
from contextssl.data.tables.table import Table
from contextssl.data.tables.table_file import read_table
from contextssl.errors import DataError, SettingsError, nearest


def table_of(settings: DataSettings, say: Callable[[str], None] = lambda what: None) -> Table:
    """The table of ``dataset=adult``, ``mimic3`` or ``table``.

    Args:
        say: called with what takes a while.

    Raises:
        DataError, SettingsError: see the readers; and where no file or folder is named.
    """
    named = settings.factors or []
    if twice := [name for name in named if named.count(name) > 1]:
        raise SettingsError(f"factor named twice: {twice[0]}")
    if settings.dataset == "table":
        if settings.path is None:
            raise DataError("no table: give path=FILE, a CSV, TSV or Parquet file, with label=COLUMN factors=[COLUMN]")
        return read_table(
            settings.path,
            label=settings.label,
            factors=settings.factors,
            person=settings.person,
            drop=settings.drop_columns,
            giveaways=settings.giveaway_columns,
            delimiter=settings.delimiter,
            decimal=settings.decimal,
            encoding=settings.encoding,
            val_fraction=settings.val_fraction,
            test_fraction=settings.test_fraction,
            seed=settings.split_seed,
        )
    if settings.data_dir is None:
        raise DataError(f"no data: give data_dir=DIR, the folder of {'UCI Adult' if settings.dataset == 'adult' else 'MIMIC-III'}'s files")
    for name in ("path", "person", "delimiter", "decimal", "encoding", "giveaway_columns"):
        if getattr(settings, name) is not None:
            raise SettingsError(f"{name} is for dataset=table and means nothing to dataset={settings.dataset}: leave it out")
    if settings.dataset == "adult":
        table = read_adult(
            settings.data_dir,
            factors=settings.factors if settings.factors is not None else ("gender",),
            val_fraction=settings.val_fraction,
            seed=settings.split_seed,
        )
    else:
        if settings.factors not in (None, ["gender"]):
            raise SettingsError(f"the factor of mimic3 is gender, not {settings.factors}: leave factors out")
        table = read_mimic3(
            settings.data_dir,
            val_fraction=settings.val_fraction,
            test_fraction=settings.test_fraction,
            seed=settings.split_seed,
            diagnoses=settings.diagnoses,
            say=say,
        )
    for name in settings.drop_columns:
        if name not in table.frame:
            raise SettingsError(f"drop_columns: {settings.dataset} has no column {name!r}: {nearest(name, map(str, table.frame.columns))}")
    return table
