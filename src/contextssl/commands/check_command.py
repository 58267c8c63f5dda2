"""``contextssl data check``: a look at data before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contextssl.config.data_settings import CheckSettings
from contextssl.data.check import CheckReport, check
from contextssl.errors import SettingsError

if TYPE_CHECKING:
    from contextssl.data.augmentations import Augmentations


def run_check(settings: CheckSettings) -> int:
    if settings.data_dir is None:
        raise SettingsError("say which folder or store to check: contextssl data check DIR")
    if (table := _checked_table(settings)) is not None:
        table.print()
        return 0 if table.ok else 1
    picture = settings.picture or f"{Path(settings.data_dir).resolve().name.split('.')[0]}-views.png"
    workers = settings.workers or None
    report = check(settings.data_dir, picture, workers=workers, progress=settings.progress, augmentations=_shown_augmentations(settings))
    report.print()
    return 0 if report.ok else 1


def _checked_table(settings: CheckSettings) -> CheckReport | None:
    """The report of a table; None where the path is another kind of data, or tables are not installed."""
    try:
        from contextssl.data.tables.table_check import check_table, is_table
    except ImportError:
        return None
    path = Path(str(settings.data_dir))
    if not is_table(path):
        return None
    return check_table(
        path,
        delimiter=settings.delimiter,
        decimal=settings.decimal,
        encoding=settings.encoding,
        drop=settings.drop_columns,
        categorical=settings.categorical,
        numeric=settings.numeric,
    )


def _shown_augmentations(settings: CheckSettings) -> Augmentations | None:
    """Those of the settings; without kornia the check does without sample views."""
    try:
        from contextssl.data.augmentation_settings import augmentations_of
    except ImportError:
        return None
    return augmentations_of(settings)
