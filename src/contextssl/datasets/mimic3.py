"""MIMIC-III (Johnson et al., 2016): one row per admission; gender is the factor."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import CheckSettings, DataSettings, TablesSettings, names_of
from contextssl.data.tables import extra, names_in
from contextssl.data_set import Checked, DataSet, Opened
from contextssl.errors import DataError, SettingsError


def _open(settings: DataSettings, progress: bool) -> Opened:
    with extra():
        from contextssl.data.opened import saying
        from contextssl.data.tables.mimic3_cohort import read_mimic3
        from contextssl.data.tables.open_rows import check_columns, open_rows, refuse_words_of_files
    if settings.data_dir is None:
        raise DataError("no data: give data_dir=DIR, the folder of MIMIC-III's files")
    refuse_words_of_files(settings)
    if settings.factors not in (None, ["gender"]):
        raise SettingsError(f"the factor of mimic3 is gender, not {settings.factors}: leave factors out")
    table = read_mimic3(
        settings.data_dir,
        val_fraction=settings.val_fraction,
        test_fraction=settings.test_fraction,
        seed=settings.split_seed,
        diagnoses=settings.diagnoses,
        say=saying(progress),
    )
    check_columns(table, settings)
    return open_rows(table, settings, settings.data_dir, progress)


def _check(settings: CheckSettings) -> Checked:
    with extra():
        from contextssl.data.tables.mimic3_cohort import read_mimic3
        from contextssl.data.tables.table_check import check_splits
    path = Path(str(settings.data_dir))
    return check_splits(path, read_mimic3(path), settings), ()


DATA_SET = DataSet(
    "mimic3",
    _open,
    place=5,
    views="rows",
    reads=(*names_of(TablesSettings), "data_dir", "factors", "val_fraction", "split_seed"),
    usual="mimic3",
    recognises=lambda path: any(name.startswith("admissions.csv") for name in names_in(path)),
    check=_check,
)
