"""The packed store: all views of a data set as memory-mapped arrays, with checksums and a manifest.

A store is a folder:

- ``images.npy``: (N, V, H, W, C) uint8, the items of all splits one after the other
- ``latents.npy``: (N, V, A) float32, absolute factor values; ``raw_latents.npy``: (N, V, R) float64, generating parameters
- ``labels.npy``: (N,) int64; ``names.json``: N item names
- ``checksums.npy``: (N,) uint32, CRC-32 of the bytes of each item's images
- ``manifest.json``: format version, factors, classes, splits as ranges of items, source, image statistics and a digest, CRC-32 of each small file
- ``origins.npy``: (N,) uint64, where the items lie in files: marks of their files when they were packed

The manifest is written last: a folder without one is half-written, and is never opened.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from contextssl.config.data_settings import DataSettings
from contextssl.data.array_file import place_in
from contextssl.data.item_checks import ItemChecks, damaged_items
from contextssl.data.journal import IMAGES, SETTINGS, progress_of
from contextssl.data.manifest_check import check_manifest
from contextssl.data.views import Views
from contextssl.digest import digest_of
from contextssl.errors import ContextSSLError, DataError, SettingsError, nearest
from contextssl.factors import FactorSpace
from contextssl.system.digested_json import read_digested
from contextssl.system.files import ARRAY_BYTES, parse_array, parse_json, read_regular, storage_error

FORMAT = "contextssl views"
VERSION = 1

LATENTS = "latents.npy"
RAW_LATENTS = "raw_latents.npy"
LABELS = "labels.npy"
NAMES = "names.json"
CHECKSUMS = "checksums.npy"
MANIFEST = "manifest.json"
# Up to so many bytes all items are compared when a store is opened, in a quarter of a second.
FULL_CHECK_BYTES = 256 * 2**20

Verify = Literal["full", "read", "none"]


@dataclass(frozen=True, eq=False)
class Store(Mapping[str, Views]):
    """An open store: a mapping from the name of a split to its :class:`~contextssl.data.views.Views`, memory-mapped and read-only. ``manifest``
    holds the plain values of ``manifest.json``, which belong in every result made from this store.
    """

    path: Path
    manifest: dict[str, Any] = field(repr=False)
    splits: dict[str, Views] = field(repr=False)

    def __getitem__(self, split: str) -> Views:
        if split not in self.splits:
            raise DataError(f"{self.path} has no split {split!r}: {nearest(split, self.splits)}")
        return self.splits[split]

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def __contains__(self, split: object) -> bool:
        return split in self.splits

    @property
    def factors(self) -> FactorSpace:
        return next(iter(self.splits.values())).factors

    @property
    def class_names(self) -> tuple[str, ...]:
        return next(iter(self.splits.values())).class_names

    @property
    def image_mean(self) -> tuple[float, ...]:
        """The mean of each channel over the pixels of ``manifest["statistics_split"]``, 0 to 1."""
        return tuple(self.manifest["image_mean"])

    @property
    def image_std(self) -> tuple[float, ...]:
        """The standard deviation of each channel over the same pixels, in the same units."""
        return tuple(self.manifest["image_std"])

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that determine images, latents, labels, names, factors and splits, and not path, date or source."""
        return str(self.manifest["fingerprint"])


def open_store(path: str | Path, verify: Verify = "read") -> Store:
    """Opens a packed store. Raises DataError where it is missing, half-written, damaged, or of an unknown format.

    Args:
        verify: when images are compared with their checksums: ``"full"`` all now, ``"read"`` all now where they are at most 256 MiB, else each item
            when it is first read, ``"none"`` never. The other files are always checked.
    """
    path = Path(path)
    contents = _Contents()
    for fault in faults(path, verify, contents):
        raise DataError(fault)
    return contents.store(path, verify == "read" and not contents.compared)


def verify_of(settings: DataSettings) -> Verify:
    """When images are compared, by the setting ``verify``."""
    return "read" if settings.verify else "none"


def fingerprint(manifest: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of everything in a manifest that determines the data; the checksums in it stand for the arrays."""
    keys = ("version", "shape", "factors", "class_names", "splits", "files")
    return digest_of({key: manifest[key] for key in keys})


def digest_of_statistics(manifest: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of mean and deviation, which follow from the data and so are no part of the fingerprint."""
    return digest_of({key: manifest.get(key) for key in ("statistics_split", "image_mean", "image_std")})


def faults(path: Path, verify: Verify = "full", contents: _Contents | None = None) -> Iterator[str]:
    """Everything that is wrong with a store, one line each, the worst first. ``contents`` is filled with what was read."""
    if verify not in ("full", "read", "none"):
        raise SettingsError(f"verify={verify!r}: use 'full', 'read' or 'none'")
    contents = contents or _Contents()
    problem = _manifest_fault(path, contents)
    found = [problem] if problem else list(_small_file_faults(path, contents))
    if not found:
        found += [*_content_faults(path, contents), *filter(None, [_map_images(path, contents)])]
    yield from found
    if not found:
        yield from _image_faults(path, verify, contents)


class _Contents:
    """What has been read of a store so far."""

    manifest: dict[str, Any]
    factors: FactorSpace
    arrays: dict[str, np.ndarray]
    names: list[str]
    images_offset: int
    # Whether all images were compared with their checksums.
    compared: bool = False

    def of_items(self, start: int, stop: int) -> dict[str, Any]:
        """What :class:`Views` of these items have beside their images."""
        raw = self.arrays.get(RAW_LATENTS)
        return {
            "latents": self.arrays[LATENTS][start:stop],
            "labels": self.arrays[LABELS][start:stop],
            "factors": self.factors,
            "class_names": tuple(self.manifest["class_names"]),
            "item_names": self.names[start:stop],
            "raw_latents": None if raw is None else raw[start:stop],
        }

    def store(self, path: Path, later: bool = False) -> Store:
        """``later``: whether items are compared when they are first read."""
        _, *shape = self.manifest["shape"]
        splits = {}
        for split, (start, stop) in self.manifest["splits"].items():
            place = self.images_offset + start * math.prod(shape)
            splits[split] = Views(
                # Each split is mapped by itself, so that it can be pickled as a file name and a place.
                images=np.memmap(path / IMAGES, np.uint8, "r", offset=place, shape=(stop - start, *shape)),
                **self.of_items(start, stop),
                checks=ItemChecks(path / IMAGES, self.arrays[CHECKSUMS][start:stop], self.names[start:stop]) if later else None,
            )
        return Store(path, self.manifest, splits)


def small_contents(path: Path, fetch: Callable[[str, int], None]) -> _Contents:
    """What a store's folder holds beside its images.

    Args:
        fetch: brings a file there, given its name and size, once the manifest is known to be one.

    Raises:
        DataError: where it is damaged, or of an unknown format.
    """
    contents = _Contents()
    if (fault := _manifest_fault(path, contents)) is not None:
        raise DataError(fault)
    for name, recorded in contents.manifest["files"].items():
        fetch(name, recorded["bytes"])
    for fault in _small_file_faults(path, contents):
        raise DataError(fault)
    for fault in _content_faults(path, contents):
        raise DataError(fault)
    return contents


def _manifest_fault(path: Path, contents: _Contents) -> str | None:
    if not path.is_dir():
        return f"there is no store at {path}: check the path, or pack one with 'contextssl data pack'"
    if not (path / MANIFEST).is_file():
        if (path / SETTINGS).is_file():
            done, total = progress_of(path)
            return f"{path} is half-written: {done} of {total} items packed; run the same pack command again to finish it"
        if (path / "meta").is_dir():
            return f"{path} is a folder of image files, not a packed store: pack it with 'contextssl data pack' and open the result"
        return f"{path} is no packed store, for it has no {MANIFEST}: check the path, or pack it again"
    try:
        manifest = read_digested(path / MANIFEST, "pack the store again", VERSION, "version")
    except ContextSSLError as error:
        return str(error)
    if manifest.get("format") != FORMAT:
        return f"{path / MANIFEST} does not describe a packed store: check the path, or pack it again"
    try:
        check_manifest(manifest)
        contents.factors = FactorSpace.from_dict(manifest["factors"])
        items, _, _, _, _ = (int(n) for n in manifest["shape"])
        whole = fingerprint(manifest) == manifest["fingerprint"]
        ranges = [(int(start), int(stop)) for start, stop in manifest["splits"].values()]
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, ContextSSLError) as error:
        return f"{path / MANIFEST} is damaged ({error!r}): pack the store again"
    if manifest.get("statistics_digest", digest_of_statistics(manifest)) != digest_of_statistics(manifest):
        return f"{path / MANIFEST} was changed after it was written (mean or deviation of the images): pack the store again"
    if not whole:
        return f"{path / MANIFEST} was changed after it was written (its fingerprint differs): pack the store again"
    for split, (start, stop) in zip(manifest["splits"], ranges, strict=True):
        if start >= stop:
            return f"{path}: the split {split!r} is empty; pack the store again with at least one item in it"
    if not ranges or ranges[0][0] != 0 or ranges[-1][1] != items or any(a[1] != b[0] for a, b in pairwise(ranges)):
        return f"{path / MANIFEST}: the splits do not cover the {items} items one after the other; pack the store again"
    contents.manifest = manifest
    return None


def _small_file_faults(path: Path, contents: _Contents) -> Iterator[str]:
    contents.arrays = {}
    for name, recorded in contents.manifest["files"].items():
        file = path / name
        try:
            data = read_regular(file, recorded["bytes"] if recorded["bytes"] > ARRAY_BYTES else ARRAY_BYTES)
            if len(data) != recorded["bytes"]:
                yield f"{file} has {len(data)} bytes, not {recorded['bytes']}: it was cut short or replaced; pack the store again"
            elif zlib.crc32(data) != recorded["crc32"]:
                yield f"{file} is damaged (its checksum differs from the manifest): pack the store again"
            elif name.endswith(".npy"):
                contents.arrays[name] = parse_array(data, file)
            else:
                contents.names = _names(data, file)
        except OSError as error:
            yield str(storage_error(error, file, "read", "pack the store again, or copy the whole folder"))
        except ContextSSLError as error:
            yield str(error)


def _names(data: bytes, file: Path) -> list[str]:
    names = parse_json(data, file)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{file} holds no list of names: pack the store again")
    return names


def _content_faults(path: Path, contents: _Contents) -> Iterator[str]:
    manifest = contents.manifest
    items, views = manifest["shape"][:2]
    names = contents.names
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        LATENTS: ((items, views, contents.factors.width), "float32"),
        LABELS: ((items,), "int64"),
        CHECKSUMS: ((items,), "uint32"),
    }
    if RAW_LATENTS in contents.arrays:
        expected[RAW_LATENTS] = ((items, views, contents.arrays[RAW_LATENTS].shape[-1]), "float64")
    for name, (shape, dtype) in expected.items():
        array = contents.arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            found = "missing" if array is None else f"{array.dtype} of shape {array.shape}"
            yield f"{path / name} is {found}, not {dtype} of shape {shape}: pack the store again"
            return
    if len(names) != items:
        yield f"{path / NAMES} holds {len(names)} names for {items} items: pack the store again"
        return
    for name in sorted(contents.arrays.keys() & {LATENTS, RAW_LATENTS}):
        bad = np.argwhere(~np.isfinite(contents.arrays[name]).all(axis=-1)).tolist()
        for item, view in bad[:1]:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            yield f"{path / name}: item {item} ({names[item]}), view {view}{more} is not finite; fix its latents and pack the store again"
    labels, classes = contents.arrays[LABELS], len(manifest["class_names"])
    for item in np.flatnonzero((labels < 0) | (labels >= classes))[:1]:
        yield (
            f"{path / LABELS}: label {labels[item]} of item {item} ({names[item]}) is out of range: there are {classes} classes, "
            f"0 to {classes - 1}; fix it and pack the store again"
        )


def _map_images(path: Path, contents: _Contents) -> str | None:
    """Checks the header and the size of the images."""
    try:
        contents.images_offset = place_in(path / IMAGES, np.dtype(np.uint8), tuple(contents.manifest["shape"]))
    except DataError as error:
        return str(error)
    return None


def _image_faults(path: Path, verify: Verify, contents: _Contents) -> Iterator[str]:
    shape = tuple(contents.manifest["shape"])
    contents.compared = verify == "full" or (verify == "read" and math.prod(shape) <= FULL_CHECK_BYTES)
    if contents.compared:
        images = np.memmap(path / IMAGES, np.uint8, "r", offset=contents.images_offset, shape=shape)
        for item in damaged_items(images, contents.arrays[CHECKSUMS], np.arange(shape[0])):
            yield (
                f"{path / IMAGES}: the images of item {item} ({contents.names[item]}) are damaged (their checksum differs); "
                "copy the file again or pack the store again"
            )
