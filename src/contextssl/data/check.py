"""Checking image data where they lie, a folder of the published layout or a packed store: all is looked at, and every fault is told."""

from __future__ import annotations

import io
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contextssl.data import store as store_files
from contextssl.data.captions import caption
from contextssl.data.journal import SETTINGS
from contextssl.data.layout import list_images
from contextssl.data.names import shown
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.data.published_layout import IMAGE_SUFFIXES, Meta, find_published, is_published, listed_splits, read_meta, view_count
from contextssl.data.sample_views import PICTURE_ITEMS, PICTURE_VIEWS, Sample, augmented_samples, example_photos, write_picture
from contextssl.data.threediebench import FACTORS, FORMATS, absolute_latents, read_image, read_latent
from contextssl.errors import ContextSSLError, DataError
from contextssl.system.files import read_regular, readable_bytes, storage_error
from contextssl.system.progress import Meter

if TYPE_CHECKING:
    from contextssl.data.augmentations import Augmentations

CHECK_RESOLUTION = 32


@dataclass
class CheckReport:
    """What was found.

    Args:
        path: the folder that was checked.
        kind: ``"folder"`` for the published layout, ``"store"`` for a packed one.
        facts: what there is, by name: counts, sizes, modes.
        faults: the first of each kind, up to the limit.
        counts: how many faults of each kind there are in all.
        notes: what is worth a look but no fault, such as two items with the same pixels.
        picture: the picture of sample views, where one was made.
    """

    path: Path
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    picture: Path | None = None
    limit: int = 20

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.counts.total()

    def add(self, kind: str, message: str) -> None:
        """Counts a fault, and keeps its message while there are fewer than the limit of its kind."""
        self.counts[kind] += 1
        kept = self.faults.setdefault(kind, [])
        if len(kept) < self.limit:
            kept.append(message)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "path": str(self.path), "picture": None if self.picture is None else str(self.picture), "ok": self.ok}

    def print(self, console: Console | None = None) -> None:
        """Shows the report as a table, then the faults, then the verdict."""
        console = console or Console()
        console.print(Text(shown(f"{self.kind} {self.path}")), soft_wrap=True)
        table = Table(show_header=False)
        for name, value in self.facts.items():
            table.add_row(name, Text(shown(_in_words(value))))
        console.print(table)
        for kind, messages in self.faults.items():
            for message in messages:
                console.print(Text(shown(f"{kind}: {message}")), soft_wrap=True)
            if self.counts[kind] > len(messages):
                console.print(Text(shown(f"{kind}: … and {self.counts[kind] - len(messages)} more")), soft_wrap=True)
        for note in self.notes:
            console.print(Text(shown(f"note: {note}")), soft_wrap=True)
        if self.picture is not None:
            console.print(Text(shown(f"sample views: {self.picture}")), soft_wrap=True)
        verdict = "ok: no fault found" if self.ok else f"{self.counts.total():,} faults: {_in_words(dict(self.counts))}"
        console.print(Text(verdict, style="green" if self.ok else "red"))


def check(
    path: str | Path,
    picture: str | Path | None = None,
    limit: int = 20,
    workers: int | None = None,
    progress: bool = True,
    augmentations: Augmentations | None = None,
) -> CheckReport:
    """Checks all of a published-layout folder, a packed store, or a folder or archive of images.

    Of a folder every image is decoded and every latent file read; of a store every checksum is computed anew.

    Args:
        path: the folder.
        picture: where to write a PNG of sample views with their latents in words; none where left out.
        limit: how many faults of each kind to tell in full. All are counted.
        workers: processes; one a processor where left out, 0 or 1 for none beside this one.
        progress: show how far it is.
        augmentations: what sample views of single images are made by.

    Raises:
        DataError: where there is nothing of the kind.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no folder {path}: check the path")
    if any((path / name).is_file() for name in (store_files.MANIFEST, SETTINGS)):
        report, samples = _check_store(path, limit, augmentations)
    elif is_published(path):
        report, samples = _check_folder(path, limit, workers, progress)
    else:
        report, samples = _check_images(path, limit, workers, progress, augmentations)
    if picture is not None and samples:
        try:
            write_picture(Path(picture), samples)
            report.picture = Path(picture)
        except DataError as error:
            # What was found stands, and took its time.
            report.notes.append(f"no picture of sample views: {error}")
    return report


def _check_images(
    path: Path, limit: int, workers: int | None, progress: bool, augmentations: Augmentations | None
) -> tuple[CheckReport, list[Sample]]:
    from contextssl.data.image_check import scan_listing

    try:
        listing = list_images(path)
    except DataError as error:
        if not path.is_dir():
            raise
        kinds = f"meta/ (3DIEBench's layout) nor {store_files.MANIFEST} (a packed store) nor images"
        raise DataError(f"{path} holds neither {kinds}: check the path ({error})") from error
    report = scan_listing(listing, limit=limit, workers=workers, progress=progress)
    photos = None if augmentations is None else example_photos(listing)
    return report, [] if augmentations is None or photos is None else augmented_samples(photos, augmentations)


def _check_store(path: Path, limit: int, augmentations: Augmentations | None) -> tuple[CheckReport, list[Sample]]:
    report = CheckReport(path, "store", limit=limit)
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
    _note_twins(report, list(zip(names, checksums.tolist(), strict=True)))
    unused = [name for label, name in enumerate(store.class_names) if not any((views.labels == label).any() for views in store.values())]
    _note_unused(report, unused)
    samples = []
    first = next(iter(store.values()))
    if not store.factors.names:
        return report, [] if augmentations is None else augmented_samples(first, augmentations)
    for item in np.unique(np.linspace(0, first.num_items - 1, PICTURE_ITEMS).astype(int)):
        count = min(PICTURE_VIEWS, first.num_views)
        words = [caption(store.factors, first.latents[item, view]) for view in range(count)]
        samples.append(Sample(f"{first.item_names[item]} ({first.class_names[first.labels[item]]})", first.images[item, :count], words))
    return report, samples


@dataclass(frozen=True)
class _ItemFindings:
    """What was found in one object's folder."""

    faults: list[tuple[str, str]]
    sizes: Counter[str]
    modes: Counter[str]
    bytes: int
    pixels: int | None


def _check_folder(path: Path, limit: int, workers: int | None, progress: bool) -> tuple[CheckReport, list[Sample]]:
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
    unsafe = {name for names, _ in splits.values() for name in names if not name or ".." in name.split("/")}
    names = [name for name in dict.fromkeys(name for names, _ in splits.values() for name in names) if name not in unsafe]
    views = _usual_views(path, names)
    report.facts |= {
        "items": {split: len(labels) for split, (_, labels) in splits.items()},
        "views an item": views,
        "classes": len(meta.class_names),
        "factors": "rotation (4), color (2)",
    }
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    twins: list[tuple[tuple[str, str], int]] = []
    home = {name: split for split, (names_here, _) in splits.items() for name in names_here}
    total = 0
    results = map_tasks(_check_item, (path, views), names, chosen_workers(workers, len(names)))
    try:
        with Meter(f"checking {path.name}", len(names) * views, "images", show=progress) as meter:
            for name, findings in results:
                for kind, message in findings.faults:
                    report.add(kind, message)
                sizes += findings.sizes
                modes += findings.modes
                total += findings.bytes
                if findings.pixels is not None:
                    twins.append(((home[name], name), findings.pixels))
                meter.advance(views)
    finally:
        results.close()
    for messages in report.faults.values():
        messages.sort()
    report.facts |= {"size on disk": readable_bytes(total), "image sizes": dict(sizes.most_common(5)), "image modes": dict(modes)}
    if len(sizes) > 1:
        report.notes.append(f"images come in {len(sizes)} sizes; packing brings them all to one")
    _note_twins(report, sorted(twins))
    _note_unused(report, [c for i, c in enumerate(meta.class_names) if not any((labels == i).any() for _, labels in splits.values())])
    return report, _folder_samples(path, splits, meta, views)


def _usual_views(path: Path, names: Sequence[str]) -> int:
    """The number of views that most of the first items have, so that one damaged item does not settle it."""
    counts: Counter[int] = Counter()
    for name in names[:5]:
        try:
            counts[view_count(path / name)[0]] += 1
        except DataError:
            continue
    return max(counts, key=lambda views: (counts[views], views)) if counts else 0


def _check_item(shared: tuple[Path, int], name: str) -> tuple[str, _ItemFindings]:
    """Reads every file of one object."""
    root, views = shared
    folder = root / name
    findings = _ItemFindings([], Counter(), Counter(), 0, None)
    try:
        there = {entry.name: entry.stat().st_size for entry in folder.iterdir()}
    except OSError as error:
        findings.faults.append(("image", str(storage_error(error, folder, "read the object folder", "copy it, or mend the list"))))
        return name, findings
    size, checksum = sum(there.values()), 0
    for view in range(views):
        file = next((f"image_{view}{suffix}" for suffix in IMAGE_SUFFIXES if f"image_{view}{suffix}" in there), None)
        if file is None:
            findings.faults.append(("image", f"{folder / f'image_{view}.jpg'} is missing: copy or render it again"))
        else:
            try:
                with Image.open(io.BytesIO(read_regular(folder / file)), formats=FORMATS) as image:
                    findings.sizes[f"{image.width} × {image.height}"] += 1
                    findings.modes[image.mode] += 1
            except Exception:
                pass  # read_image says what it is
            try:
                checksum = zlib.crc32(read_image(folder / file, CHECK_RESOLUTION, resize="fast").data, checksum)
            except DataError as error:
                findings.faults.append(("image", str(error)))
        try:
            read_latent(folder / f"latent_{view}.npy")
        except DataError as error:
            findings.faults.append(("latents", str(error)))
    extra = sorted(file for file in there if file.startswith(("image_", "latent_")) and _view_of(file) >= views)
    if extra:
        findings.faults.append(
            ("image", f"{folder / extra[0]} is beyond the {views} views of the others: give every object the same number")
        )
    return name, _ItemFindings(findings.faults, findings.sizes, findings.modes, size, None if findings.faults else checksum)


def _view_of(file: str) -> int:
    number = file.split("_", 1)[1].split(".")[0]
    return int(number) if number.isdigit() else -1


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
            except (DataError, ValueError):
                continue
            known = meta.class_names[label] if 0 <= label < len(meta.class_names) else f"class {label}"
            samples.append(Sample(f"{name} ({known})", images, [caption(FACTORS, latents) for latents in absolute_latents(raw)]))
            if len(samples) == PICTURE_ITEMS:
                return samples
    return samples


def _note_twins(report: CheckReport, entries: Sequence[tuple[tuple[str, str], int]]) -> None:
    """Notes items whose pixels have the same checksum, above all those in two splits."""
    seen: dict[int, tuple[str, str]] = {}
    same: list[str] = []
    across: list[str] = []
    for (split, name), checksum in entries:
        if checksum in seen:
            other_split, other = seen[checksum]
            (same if split == other_split else across).append(f"{name} ({split}) and {other} ({other_split})")
        else:
            seen[checksum] = split, name
    if across:
        report.notes.append(f"{len(across)} items have the same pixels as one of another split, such as {across[0]}: a leak between splits")
    if same:
        report.notes.append(f"{len(same)} items have the same pixels as one of their split, such as {same[0]}")


def _note_unused(report: CheckReport, unused: Sequence[str]) -> None:
    if unused:
        report.notes.append(f"{len(unused)} classes have no item, such as {unused[0]}")


def _folder_size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_in_words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(inner) for inner in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
