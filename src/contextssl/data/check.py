"""Checking data where they lie: each data set is asked whether they are its own, looks all of them over, and tells every fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from contextssl.config.data_settings import CheckSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.check_report import CheckReport
from contextssl.data.sample_views import Sample, write_picture
from contextssl.data.store_check import check_store, is_begun
from contextssl.data_set import DATA_SETS, DataSet
from contextssl.errors import DataError, SettingsError


def check(settings: CheckSettings) -> CheckReport:
    """Checks all of what lies at ``settings.data_dir``, or of the data that ``settings.dataset`` opens.

    Of a store every checksum is computed anew; of a folder or archive every image is decoded and every latent file read.

    Raises:
        SettingsError: where nothing is named.
        DataError: where there is nothing of the kind.
    """
    data_set = None if settings.dataset is None else DATA_SETS.find(settings.dataset)
    report, samples = _looked_over(settings, data_set)
    if settings.picture is not None and samples:
        try:
            write_picture(Path(settings.picture), samples)
            report.picture = Path(settings.picture)
        except DataError as error:
            # What was found stands, and took its time.
            report.notes.append(f"no picture of sample views: {error}")
    return report


def _looked_over(settings: CheckSettings, data_set: DataSet | None) -> tuple[CheckReport, Sequence[Sample]]:
    if data_set is not None and data_set.check is None:
        from contextssl.data.data_check import check_data

        same = {field.name for field in fields(CheckSettings)} & {field.name for field in fields(TrainSettings)} - {"workers"}
        opened = data_set.open(TrainSettings(**{name: getattr(settings, name) for name in same}), settings.progress)
        return check_data(data_set.name, opened)
    if settings.data_dir is None:
        raise SettingsError("say which folder or store to check: contextssl data check DIR")
    path = Path(settings.data_dir)
    if not path.exists():
        raise DataError(f"there is no folder {path}: check the path")
    if is_begun(path):
        return check_store(path, settings)
    if data_set is None:
        data_set = next(each for each in sorted(DATA_SETS.all(), key=lambda each: each.place) if each.recognises and each.recognises(path))
    assert data_set.check is not None
    return data_set.check(settings)
