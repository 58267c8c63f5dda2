"""Any CSV, TSV or Parquet file: the settings name the label and the factors."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import CheckSettings, DataSettings, TablesSettings, names_of
from contextssl.data.tables import extra, is_table_file
from contextssl.data_set import Checked, DataSet, Opened
from contextssl.errors import DataError


def _open(settings: DataSettings, progress: bool) -> Opened:
    with extra():
        from contextssl.data.tables.open_rows import open_rows, refuse_twice
        from contextssl.data.tables.table_file import read_table
    refuse_twice(settings)
    if settings.path is None:
        raise DataError("no table: give path=FILE, a CSV, TSV or Parquet file, with label=COLUMN factors=[COLUMN]")
    table = read_table(
        settings.path,
        label=settings.label,
        factors=settings.factors,
        person=settings.person,
        drop=settings.drop_columns,
        proxies=settings.proxy_columns,
        delimiter=settings.delimiter,
        decimal=settings.decimal,
        encoding=settings.encoding,
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.split_seed,
    )
    return open_rows(table, settings, settings.path, progress)


def _check(settings: CheckSettings) -> Checked:
    with extra():
        from contextssl.data.tables.table_check import check_table
    return check_table(Path(str(settings.data_dir)), settings), ()


DATA_SET = DataSet(
    "table",
    _open,
    place=6,
    views="rows",
    reads=(*(name for name in names_of(TablesSettings) if name != "diagnoses"), "factors", "val_fraction", "split_seed"),
    usual="table",
    found_by="path",
    recognises=lambda path: path.is_file() and is_table_file(path),
    check=_check,
)
