"""Checking a list of pairs: every line is read, every image decoded; counts, faults and oddities are reported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from contextssl.config.data_settings import CheckSettings, PhotosSettings
from contextssl.data.check_report import CheckReport
from contextssl.data.pair_images import ListedImages
from contextssl.data.pair_list import PairList, look_over, pair_file
from contextssl.data.photo import WHITE, read_photo
from contextssl.data.sample_views import CHECK_PHOTO, PICTURE_ITEMS, PICTURE_VIEWS, Sample
from contextssl.data.small_images import SMALL, find_unreadable, refuse_constant
from contextssl.errors import ContextSSLError, DataError


def check_pairs(settings: CheckSettings) -> tuple[CheckReport, list[Sample]]:
    """The report of a list, and for the picture some pairs of each kind.

    Raises:
        DataError: where there is no list.
    """
    file = pair_file(settings.data_dir, settings.path)
    report = CheckReport(file, "pairs")
    try:
        found, faults = look_over(file)
    except DataError as error:
        found, faults = None, [("list", str(error))]
    for kind, fault in faults:
        report.add(kind, fault)
    if found is None:
        return report, []
    report.notes += found.notes
    report.facts |= {
        "pairs": {kind: int((found.pairs[:, 2] == number).sum()) for number, kind in enumerate(found.kinds)},
        "images": len(found.images),
        "groups (items, or connected images)": int(found.groups.max()) + 1,
        "classes": len(found.class_names) if len(found.class_names) > 1 else "none (no column label)",
    }
    usual = PhotosSettings()
    try:
        source = ListedImages(found, val_fraction=usual.val_fraction, seed=usual.split_seed)
    except ContextSSLError as error:
        report.add("split", str(error))
        return report, []
    report.facts["images of each split"] = {split: len(items) for split, items in source.splits.items()}
    split_of = found.with_splits(usual.val_fraction, usual.split_seed)
    counts = Counter((split_of[first], found.kinds[kind]) for first, _, kind in found.pairs.tolist())
    report.facts["pairs of each split"] = {f"{split} {kind}": count for (split, kind), count in sorted(counts.items())}
    unreadable = find_unreadable(source.listing, settings.workers or None, settings.progress)
    for name in unreadable:
        try:
            read_photo(source.listing.read(name), source.listing.where(name), SMALL, white=WHITE)
        except DataError as error:
            report.add("image", str(error))
    try:
        refuse_constant(source)
    except DataError as error:
        report.add("channel", str(error))
    return report, [] if unreadable else _samples(found, source)


def _samples(found: PairList, source: ListedImages) -> list[Sample]:
    """A row for each of some kinds: pairs side by side."""
    samples = []
    for number, kind in list(enumerate(found.kinds))[:PICTURE_ITEMS]:
        pairs = found.pairs[found.pairs[:, 2] == number]
        chosen = np.unique(np.linspace(0, len(pairs) - 1, PICTURE_VIEWS // 2).astype(int))
        names = [found.images[image] for image in pairs[chosen, :2].flatten().tolist()]
        photos = [read_photo(source.listing.read(name), name, CHECK_PHOTO, 3, WHITE).pixels for name in names]
        samples.append(Sample(kind, np.stack(photos), [Path(name).name for name in names]))
    return samples
