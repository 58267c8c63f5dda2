"""Looking over a packed store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contextssl.config.data_settings import AugmentationSettings
from contextssl.data import store as store_files
from contextssl.data.check_report import CheckReport, note_twins, note_unused
from contextssl.data.journal import SETTINGS
from contextssl.data.sample_views import Sample, augmented_samples, samples_of
from contextssl.system.files import readable_bytes


def is_begun(path: Path) -> bool:
    """Whether a folder is a packed store, whole or half-written."""
    return any((path / name).is_file() for name in (store_files.MANIFEST, SETTINGS))


def check_store(path: Path, settings: AugmentationSettings) -> tuple[CheckReport, list[Sample]]:
    """Computes every checksum of a store anew.

    Args:
        settings: of the augmentations that views of single images are made by.
    """
    report = CheckReport(path, "store")
    for fault in store_files.faults(path, "full"):
        report.add("store", fault)
    report.facts["size on disk"] = readable_bytes(_folder_size(path))
    if not report.ok:
        return report, []
    store = store_files.open_store(path, verify="none")
    report.facts |= {
        "items": {split: views.num_items for split, views in store.items()},
        "views an item": next(iter(store.values())).num_views,
        "image shape (C, H, W)": next(iter(store.values())).view_shape,
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
    first = next(iter(store.values()))
    if store.factors.names:
        return report, samples_of(
            first, [f"{name} ({first.class_names[label]})" for name, label in zip(first.item_names, first.labels, strict=True)]
        )
    return report, augmented_samples(first, settings)


def _folder_size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
