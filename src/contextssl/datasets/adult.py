"""UCI Adult (Becker and Kohavi, 1996): one row per person; gender, race and age are factors."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import CheckSettings, DataSettings, TablesSettings, names_of
from contextssl.data.tables import extra, names_in
from contextssl.data_set import Checked, DataSet, Opened
from contextssl.errors import DataError


def _open(settings: DataSettings, progress: bool) -> Opened:
    with extra():
        from contextssl.data.tables.adult_files import read_adult
        from contextssl.data.tables.open_rows import check_columns, open_rows, refuse_words_of_files
    if settings.data_dir is None:
        raise DataError("no data: give data_dir=DIR, the folder of UCI Adult's files")
    refuse_words_of_files(settings)
    factors = settings.factors if settings.factors is not None else ("gender",)
    table = read_adult(settings.data_dir, factors=factors, val_fraction=settings.val_fraction, seed=settings.split_seed)
    check_columns(table, settings)
    return open_rows(table, settings, settings.data_dir, progress)


def _check(settings: CheckSettings) -> Checked:
    with extra():
        from contextssl.data.tables.adult_files import read_adult
        from contextssl.data.tables.table_check import check_splits
    path = Path(str(settings.data_dir))
    return check_splits(path, read_adult(path), settings), ()


DATA_SET = DataSet(
    "adult",
    _open,
    place=4,
    views="rows",
    reads=(
        *(name for name in names_of(TablesSettings) if name not in ("test_fraction", "diagnoses")),
        *("data_dir", "factors", "val_fraction", "split_seed"),
    ),
    usual="adult",
    recognises=lambda path: "adult.data" in names_in(path),
    check=_check,
)
