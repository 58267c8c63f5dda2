"""Checking data where they lie: the data set that recognises them checks all of them and reports every fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from contextssl.config.data_settings import CheckSettings
from contextssl.config.settings import TrainSettings
from contextssl.data import store as store_files
from contextssl.data.check_report import CheckReport, note_twins, note_unused
from contextssl.data.journal import SETTINGS
from contextssl.data.sample_views import Sample, augmented_samples, samples_of, shown_augmentations, write_picture
from contextssl.data_set import DATA_SETS, DataSet
from contextssl.errors import DataError, SettingsError
from contextssl.system.files import readable_bytes


def check(settings: CheckSettings) -> CheckReport:
    """Checks all of what lies at ``settings.data_dir``, or of the data that ``settings.dataset`` opens.

    Of a store every checksum is computed again; of a folder or archive every image is decoded and every latent file read. Raises SettingsError
    where nothing is named, DataError where there is nothing of the kind.
    """
    report, samples = _looked_over(settings, None if settings.dataset is None else DATA_SETS.find(settings.dataset))
    if settings.picture is not None and samples:
        try:
            write_picture(Path(settings.picture), samples)
            report.picture = Path(settings.picture)
        except DataError as error:  # the report stands without the picture
            report.notes.append(f"no picture of sample views: {error}")
    return report


def _looked_over(settings: CheckSettings, data_set: DataSet | None) -> tuple[CheckReport, Sequence[Sample]]:
    if data_set is not None and data_set.check is None:
        from contextssl.data.data_check import check_data

        same = {field.name for field in fields(CheckSettings)} & {field.name for field in fields(TrainSettings)} - {"workers"}
        opened = data_set.open(TrainSettings(**{name: getattr(settings, name) for name in same}), settings.progress)
        return check_data(data_set.name, opened)
    named = settings.data_dir or (None if data_set is None else settings.path)
    if settings.features is not None or (settings.path is not None and data_set is None):
        raise SettingsError("features=FILE and path=FILE go with dataset=features, path=FILE also with dataset=pairs: add that")
    if named is None:
        raise SettingsError("say which folder or store to check: contextssl data check DIR")
    path = Path(named)
    if not path.exists():
        raise DataError(f"there is no folder {path}: check the path")
    # A store, whole or half-written, is of whatever it was packed from.
    if any((path / name).is_file() for name in (store_files.MANIFEST, SETTINGS)):
        return _check_store(path, settings)
    if data_set is None:
        data_set = next(each for each in sorted(DATA_SETS.all(), key=lambda each: each.place) if each.recognises and each.recognises(path))
    assert data_set.check is not None
    return data_set.check(settings)


def _check_store(path: Path, settings: CheckSettings) -> tuple[CheckReport, list[Sample]]:
    augmentations, report = shown_augmentations(settings), CheckReport(path, "store")
    for fault in store_files.faults(path, "full"):
        report.add("store", fault)
    report.facts["size on disk"] = readable_bytes(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
    if not report.ok:
        return report, []
    store = store_files.open_store(path, verify="none")
    first = next(iter(store.values()))
    report.facts |= {
        "items": {split: views.num_items for split, views in store.items()},
        "views per item": first.num_views,
        "image shape (C, H, W)": first.view_shape,
        "classes": len(store.class_names),
        "factors": ", ".join(f"{factor.name} ({factor.width})" for factor in store.factors.factors) or "none stored",
        "image mean": [round(value, 4) for value in store.image_mean],
        "image std": [round(value, 4) for value in store.image_std],
        "made by": store.manifest["made_by"],
        "fingerprint": store.fingerprint,
    }
    checksums = np.load(path / store_files.CHECKSUMS)
    names = [(split, name) for split, views in store.items() for name in views.item_names]
    note_twins(report, list(zip(names, checksums.tolist(), strict=True)))
    unused = [name for label, name in enumerate(store.class_names) if not any((views.labels == label).any() for views in store.values())]
    note_unused(report, unused)
    if store.factors.names:
        return report, samples_of(first)
    return report, augmented_samples(first, augmentations) if augmentations else []
