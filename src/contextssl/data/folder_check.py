"""Checking a folder of the published layout: every image is decoded, every latent file read, and every fault reported."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contextssl.data.captions import caption
from contextssl.data.check_report import CheckReport, note_twins, note_unused
from contextssl.data.image_bytes import opened_image
from contextssl.data.listed import FILE_BYTES
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.data.published_latents import RAW_LATENTS, WIDTHS, absolute_latents, read_latent, width_of
from contextssl.data.published_layout import IMAGE_SUFFIXES, Meta, find_published, listed_splits, read_meta, view_count
from contextssl.data.sample_views import PICTURE_ITEMS, PICTURE_VIEWS, Sample
from contextssl.data.threediebench_folder import FORMATS, read_image
from contextssl.errors import ContextSSLError, DataError
from contextssl.system.files import read_regular, readable_bytes, storage_error
from contextssl.system.progress import Meter

CHECK_RESOLUTION = 32


class _ItemFindings(NamedTuple):
    """What was found in one object's folder."""

    faults: list[tuple[str, str]]
    sizes: Counter[str]
    modes: Counter[str]
    bytes: int
    pixels: int | None


def check_folder(path: Path, limit: int = 20, workers: int | None = None, progress: bool = True) -> tuple[CheckReport, list[Sample]]:
    """Decodes every image of a folder in the published layout and reads every latent file, in so many ``workers`` processes (default: one per
    processor); ``limit`` faults per kind are reported in full, and all are counted.
    """
    report = CheckReport(path, "folder", limit=limit)
    splits: dict[str, tuple[list[str], np.ndarray]] = {}
    place = find_published(path)
    merged: Meta | None = None
    for split in listed_splits(place.meta):
        try:
            merged = read_meta(place.meta, [split])
            splits |= merged.splits
        except ContextSSLError as error:
            report.add("metadata", str(error))
    if merged is None:
        return report, []
    meta = Meta(place.meta, splits, 0, merged.given_names)
    try:
        path = place.objects_of(meta)
    except DataError as error:
        report.add("layout", str(error))
    for problem in meta.problems():
        report.add("metadata", problem)
    home = {name: split for split, (listed, _) in splits.items() for name in listed}
    names = [name for name in home if name and ".." not in name.split("/")]
    views, width = _usual_views(path, names)
    factors = WIDTHS[width]
    report.facts |= {
        "items": {split: len(labels) for split, (_, labels) in splits.items()},
        "views per item": views,
        "classes": len(meta.class_names),
        "factors": ", ".join(f"{factor.name} ({factor.width})" for factor in factors.factors),
    }
    sizes, modes = Counter[str](), Counter[str]()
    twins: list[tuple[tuple[str, str], int]] = []
    total = 0
    meter = Meter(f"checking {path.name}", len(names) * views, "images", show=progress)
    with closing(map_tasks(_check_item, (path, views, width), names, chosen_workers(workers, len(names)))) as results, meter:
        for name, findings in results:
            for kind, message in findings.faults:
                report.add(kind, message)
            sizes += findings.sizes
            modes += findings.modes
            total += findings.bytes
            if findings.pixels is not None:
                twins.append(((home[name], name), findings.pixels))
            meter.advance(views)
    for messages in report.faults.values():
        messages.sort()
    report.facts |= {"size on disk": readable_bytes(total), "image sizes": dict(sizes.most_common(5)), "image modes": dict(modes)}
    if len(sizes) > 1:
        report.notes.append(f"images come in {len(sizes)} sizes; packing brings them all to one")
    note_twins(report, sorted(twins))
    note_unused(report, [c for i, c in enumerate(meta.class_names) if not any((labels == i).any() for _, labels in splits.values())])
    return report, _folder_samples(path, splits, meta, views)


def _usual_views(path: Path, names: Sequence[str]) -> tuple[int, int]:
    """The number of views, and of the latents of a view, that most of the first items have, so that one damaged item does not decide it."""
    counts: Counter[tuple[int, int]] = Counter()
    for name in names[:5]:
        with suppress(DataError):
            counts[view_count(path / name)[0], width_of(path / name / "latent_0.npy")] += 1
    return max(counts, key=lambda found: (counts[found], found)) if counts else (0, len(RAW_LATENTS))


def _check_item(shared: tuple[Path, int, int], name: str) -> tuple[str, _ItemFindings]:
    """Reads every file of one object."""
    root, views, width = shared
    folder = root / name
    findings = _ItemFindings([], Counter(), Counter(), 0, None)
    try:
        there = {entry.name: entry.stat().st_size for entry in folder.iterdir()}
    except OSError as error:
        findings.faults.append(("image", str(storage_error(error, folder, "read the object folder", "copy it, or fix the list"))))
        return name, findings
    size, checksum = sum(there.values()), 0
    for view in range(views):
        file = next((f"image_{view}{suffix}" for suffix in IMAGE_SUFFIXES if f"image_{view}{suffix}" in there), None)
        if file is None:
            findings.faults.append(("image", f"{folder / f'image_{view}.jpg'} is missing: copy or render it again"))
        else:
            # read_image reports what this cannot open.
            with suppress(Exception), opened_image(read_regular(folder / file, FILE_BYTES), FORMATS) as image:
                findings.sizes[f"{image.width} × {image.height}"] += 1
                findings.modes[image.mode] += 1
            try:
                checksum = zlib.crc32(read_image(folder / file, CHECK_RESOLUTION, resize="fast").data, checksum)
            except DataError as error:
                findings.faults.append(("image", str(error)))
        try:
            read_latent(folder / f"latent_{view}.npy", width=width)
        except DataError as error:
            findings.faults.append(("latents", str(error)))
    numbers = {file: match[1] for file in there if (match := re.match(r"(?:image|latent)_([0-9]+)(?:\.|$)", file))}
    extra = min((file for file, number in numbers.items() if int(number) >= views), default=None)
    if extra is not None:
        findings.faults.append(("image", f"{folder / extra} is beyond the {views} views of the others: give every object the same number"))
    return name, findings._replace(bytes=size, pixels=None if findings.faults else checksum)


def _folder_samples(path: Path, splits: dict[str, tuple[list[str], np.ndarray]], meta: Meta, views: int) -> list[Sample]:
    """The first items that can be read, of the first split."""
    samples: list[Sample] = []
    for split_names, labels in splits.values():
        for name, label in zip(split_names, labels.tolist(), strict=True):
            try:
                chosen = range(min(PICTURE_VIEWS, views))
                suffix = view_count(path / name)[1]
                images = np.stack([read_image(path / name / f"image_{view}{suffix}", 128) for view in chosen])
                raw = np.stack([read_latent(path / name / f"latent_{view}.npy", check_ranges=False) for view in chosen])
                factors = WIDTHS[raw.shape[1]]
            except (DataError, ValueError):
                continue
            known = meta.class_names[label] if 0 <= label < len(meta.class_names) else f"class {label}"
            samples.append(Sample(f"{name} ({known})", images, [caption(factors, latents) for latents in absolute_latents(raw)]))
            if len(samples) == PICTURE_ITEMS:
                return samples
    return samples
