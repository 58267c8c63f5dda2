"""Checking a folder or an archive of images: every one is decoded; counts, damage and oddities are reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contextssl.config.data_settings import CheckSettings
from contextssl.data.check_report import CheckReport
from contextssl.data.layout import Layout, Listing, lay_out, list_images, notes_on, unread_classes, untrained_classes
from contextssl.data.names import is_text, shown
from contextssl.data.photo import EIGHT_BIT_WHITE, SIXTEEN_BIT_MODES, WHITE
from contextssl.data.sample_views import Sample, augmented_samples, example_photos, shown_augmentations
from contextssl.data.small_images import channel_levels, constant_channels, map_images
from contextssl.data.store import MANIFEST
from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.system.files import readable_bytes

# Up to so many classes have their counts listed; beyond, the smallest and the largest.
LISTED_CLASSES = 20


class _Finding(NamedTuple):
    """The result of checking one image: the error where it cannot be read, else its properties and a digest of its bytes."""

    name: str
    size: int
    fault: str | None
    height: int = 0
    width: int = 0
    format: str = ""
    mode: str = ""
    digest: str = ""
    highest: int | None = None
    lowest_level: tuple[int, ...] = ()
    highest_level: tuple[int, ...] = ()


def check_images(settings: CheckSettings) -> tuple[CheckReport, list[Sample]]:
    """:func:`scan` of what the settings name, and some of its images augmented. Raises DataError where there is no image."""
    augmentations, path = shown_augmentations(settings), Path(str(settings.data_dir))
    try:
        listing = list_images(path)
    except DataError as error:
        if not path.is_dir():
            raise
        kinds = f"meta/ (3DIEBench's layout) nor {MANIFEST} (a packed store) nor images"
        raise DataError(f"{path} holds neither {kinds}: check the path ({error})") from error
    report = scan(listing, workers=settings.workers or None, progress=settings.progress)
    photos = augmentations and example_photos(listing)
    return report, augmented_samples(photos, augmentations) if augmentations and photos else []


def scan(listing: Listing, workers: int | None = None, progress: bool = True) -> CheckReport:
    """Decodes every image of a folder or an archive, in so many ``workers`` processes (default: one per processor), and reports counts, kinds,
    sizes, faults and twins.
    """
    report = CheckReport(listing.path, "images")
    findings = sorted(map_images(listing, _look, "checking", workers, progress))
    good = [finding for finding in findings if finding.fault is None]
    for finding in findings:
        if finding.fault is not None:
            report.add("image", finding.fault)
    layout = None
    try:
        layout = lay_out(listing, listing.names)
    except DataError as error:
        report.add("layout", str(error))
    report.facts["images"] = len(listing.names)
    if layout is not None:
        report.facts |= _counts(layout)
        report.notes += notes_on(listing, layout)
        for folder, kinds in unread_classes(listing, layout).items():
            report.add("layout", f"the class {folder} holds {kinds}, which cannot be read here: convert them, or move the folder away")
        for split, missing in untrained_classes(layout.splits, layout.classes):
            report.add("layout", f"the class {missing!r} has images in {split} but none in train: add some, or take it out of {split}")
    size = listing.files.size if listing.files.size is not None else sum(finding.size for finding in findings)
    report.facts |= {
        "unreadable": len(findings) - len(good),
        "formats": dict(Counter(finding.format for finding in good).most_common()),
        "image modes": dict(Counter(finding.mode for finding in good).most_common()),
        "height": _spread([finding.height for finding in good]),
        "width": _spread([finding.width for finding in good]),
        "size on disk": readable_bytes(size),
        "files that are no images": listing.others,
    }
    for name in (*listing.names, *listing.folders):
        if not is_text(name):
            report.add("name", f"{shown(name)} is no UTF-8: rename it, for instance by convmv -f latin1 -t utf8 -r --notest DIR")
    _look_at_ranges(report, good)
    # Such a channel cannot be normalised, so training refuses it.
    if message := constant_channels([finding.lowest_level for finding in good], [finding.highest_level for finding in good]):
        report.add("channel", message)
    if listing.files.size is not None and not listing.files.has_checksums:
        report.notes.append("a plain tar keeps no checksums: damage that still decodes goes unnoticed; a zip or a .tar.gz keeps them")
    report.facts["images with the bytes of another"] = _note_twins(report, good, layout)
    return report


def _look(listing: Listing, names: Sequence[str]) -> list[_Finding]:
    findings = []
    for name in names:
        data = b""
        try:
            data = listing.read(name)
            photo, lowest, highest = channel_levels(data, listing.where(name))
        except DataError as error:
            findings.append(_Finding(name, len(data), str(error)))
        else:
            made = (digest_of_bytes([data], digits=32), photo.highest, lowest, highest)
            findings.append(_Finding(name, len(data), None, photo.height, photo.width, photo.format, photo.mode, *made))
    return findings


def _look_at_ranges(report: CheckReport, good: Sequence[_Finding]) -> None:
    """The range of pixels of files of more than eight bits, and what is unusual about it."""
    deep = [finding for finding in good if finding.highest is not None]
    ranges = {"8 bits per channel": len(good) - len(deep)} if len(good) > len(deep) else {}
    if deep:
        top = max(finding.highest or 0 for finding in deep)
        ranges[f"more bits, up to {top:,} of {WHITE:,}"] = len(deep)
        dark = [finding for finding in deep if (finding.highest or 0) <= EIGHT_BIT_WHITE]
        colours = [shown(finding.name) for finding in deep if finding.mode not in SIXTEEN_BIT_MODES]
        if len(dark) == len(deep) and colours:
            report.add("pixels", f"{colours[0]} has colours of 16 bits per channel, none above 255: save it with eight bits per channel")
        elif len(dark) == len(deep):
            report.notes.append(f"the {len(deep):,} images of more than eight bits hold no number above 255: they are read as eight bits")
        elif dark:
            report.notes.append(
                f"{len(dark):,} of {len(deep):,} images of more than eight bits hold no number above 255, such as {shown(dark[0].name)}: they come "
                "out black; if they are no dark images, save them with eight bits"
            )
        elif top < WHITE // 4:
            report.notes.append(
                f"images of more than eight bits reach {top:,} of {WHITE:,}, so they come out dark: scale them first if they should not"
            )
    report.facts["pixel values"] = ranges


def _counts(layout: Layout) -> dict[str, Any]:
    """Images of each split, and of each class in it."""
    facts: dict[str, Any] = {"items": {split: len(names) for split, names in layout.splits.items()}}
    if not layout.labelled:
        return {**facts, "classes": "none (no folders of classes)"}
    facts["classes"] = len(layout.class_names)
    for split, names in layout.splits.items():
        counts = Counter(layout.classes[name] for name in names)
        if len(layout.class_names) <= LISTED_CLASSES:
            facts[f"classes of {split}"] = {name: counts[name] for name in layout.class_names}
        else:
            (most, highest), (least, lowest) = counts.most_common()[0], counts.most_common()[-1]
            facts[f"classes of {split}"] = f"{len(counts)}, from {lowest:,} ({least}) to {highest:,} images ({most})"
    return facts


def _spread(values: Sequence[int]) -> str:
    return f"{min(values):,} to {max(values):,} pixels, median {np.median(values):,.0f}" if values else "none"


def _note_twins(report: CheckReport, findings: Sequence[_Finding], layout: Layout | None) -> int:
    """How many files have the bytes of one before them; noted too, and above all where they lie in two splits or two classes."""
    groups: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        groups[finding.digest].append(finding.name)
    twins = [names for names in groups.values() if len(names) > 1]
    if not twins:
        return 0
    count = sum(len(names) - 1 for names in twins)
    report.notes.append(f"images with the bytes of another: {count}, such as {twins[0][1]} and {twins[0][0]}")
    split_of: Mapping[str, str] = {name: split for split, names in layout.splits.items() for name in names} if layout else {}
    for what, of, harm in (
        ("splits", split_of, "a leak between splits"),
        ("classes", layout.classes if layout else {}, "a doubtful label"),
    ):
        across = [names for names in twins if len({of.get(name) for name in names}) > 1]
        if across:
            first = [next(name for name in across[0] if of.get(name) == value) for value in sorted({of[name] for name in across[0]})]
            report.notes.append(f"images in two {what}: {len(across)}, such as {' and '.join(first[:2])}: {harm}")
    return count
