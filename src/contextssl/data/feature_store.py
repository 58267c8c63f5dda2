"""A store of features: what a frozen encoder made of every view, as a memory-mapped array, with checksums and a manifest.

It is a folder:

- ``features.npy``: (N, V, F) float16, the items of all splits one after the other
- ``checksums.npy``: (N,) uint32, CRC-32 of the bytes of each item's features
- ``latents.npy``: (N, V, A) float32, only of fixed augmentations of photos, which no other store holds
- ``manifest.json``: format version, shape, splits as ranges of items, what the features were made from, CRC-32 of each small file

The manifest is written last: a folder without one is half-written, and encoding the same views again finishes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from contextssl.data.array_file import place_in
from contextssl.data.item_checks import ItemChecks, damaged_items
from contextssl.data.store import CHECKSUMS, FULL_CHECK_BYTES, LATENTS, MANIFEST, Verify
from contextssl.digest import digest_of
from contextssl.errors import DataError
from contextssl.system.digested_json import read_digested
from contextssl.system.files import parse_array, read_regular, storage_error

FORMAT = "contextssl features"
VERSION = 1
FEATURES = "features.npy"
# Half the room of float32; its rounding, one part in 2,000, is far below what any view differs by.
KIND = np.dtype("<f2")
# What features are made from, and what a store of others holds.
MADE_FROM: Mapping[str, str] = {
    "images": "other views",
    "encoder": "another encoder",
    "normalisation": "images that were normalised otherwise",
    "versions": "other augmentations of the photos",
}


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """An open store.

    Args:
        features: of each split (n, V, F) float16, memory-mapped and read-only.
        latents: of each split (n, V, A) float32, where it holds them.
        checks: of each split, where items are compared when they are first read.
    """

    path: Path
    manifest: Mapping[str, Any] = field(repr=False)
    features: Mapping[str, np.ndarray] = field(repr=False)
    latents: Mapping[str, np.ndarray] = field(repr=False)
    checks: Mapping[str, ItemChecks] = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that determines the features."""
        return digest_of({name: self.manifest[name] for name in ("version", "shape", "splits", "made_from")})


def is_feature_store(path: Path) -> bool:
    """Whether a folder is a whole one."""
    return (path / MANIFEST).is_file()


def open_features(path: Path, wanted: Mapping[str, Any], verify: Verify = "read") -> FeatureStore:
    """Opens a whole store.

    Args:
        wanted: the plain values of a manifest that say what the features are to be of, see :func:`description_of`.
        verify: when features are compared with their checksums, as of :func:`~contextssl.data.store.open_store`.

    Raises:
        DataError: for a store that is damaged, or of something else.
    """
    manifest = read_digested(path / MANIFEST, _again(path), VERSION, "version")
    check_same(path, manifest, wanted)
    try:
        small = {name: _small_file(path / name, recorded) for name, recorded in manifest["files"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path / MANIFEST} is damaged ({error!r}): {_again(path)}") from error
    shape = tuple(manifest["shape"])
    offset = place_in(path / FEATURES, KIND, shape)
    if CHECKSUMS not in small or small[CHECKSUMS].shape != shape[:1]:
        raise DataError(f"{path} lacks the checksums of its features: {_again(path)}")
    features = np.memmap(path / FEATURES, KIND, "r", offset=offset, shape=shape)
    compared = verify == "full" or (verify == "read" and features.nbytes <= FULL_CHECK_BYTES)
    if compared:
        for item in damaged_items(features, small[CHECKSUMS], np.arange(shape[0])):
            raise DataError(f"{path / FEATURES}: the features of item {item} are damaged (their checksum differs): {_again(path)}")
    later = verify == "read" and not compared
    item_bytes = shape[1] * shape[2] * KIND.itemsize
    return FeatureStore(
        path,
        manifest,
        {
            # Each split is mapped by itself, so that it can be pickled as a file name and a place.
            split: np.memmap(path / FEATURES, KIND, "r", offset=offset + start * item_bytes, shape=(stop - start, *shape[1:]))
            for split, (start, stop) in manifest["splits"].items()
        },
        {split: small[LATENTS][start:stop] for split, (start, stop) in manifest["splits"].items()} if LATENTS in small else {},
        {
            split: ItemChecks(path / FEATURES, small[CHECKSUMS][start:stop], range(start, stop))
            for split, (start, stop) in manifest["splits"].items()
        }
        if later
        else {},
    )


def description_of(shape: tuple[int, int, int], splits: Mapping[str, tuple[int, int]], made_from: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values that say what a store holds.

    Args:
        shape: (N, V, F).
        splits: first item of each, and the one after its last.
        made_from: plain values by the names of :data:`MADE_FROM`.
    """
    ranges = {split: list(bounds) for split, bounds in splits.items()}
    return {"format": FORMAT, "version": VERSION, "shape": list(shape), "splits": ranges, "made_from": dict(made_from)}


def check_same(path: Path, found: Any, wanted: Mapping[str, Any]) -> None:
    """Raises DataError where a store, whole or half-written, is of something else, naming the first difference."""
    found = found if isinstance(found, dict) else {}
    if found.get("format") != FORMAT:
        raise DataError(f"{path} is no store of features: name another folder by features_dir")
    if found.get("version") != VERSION:
        raise DataError(f"{path} has format version {found.get('version')!r}, but this release reads {VERSION}: {_again(path)}")
    made_from = found.get("made_from")
    for name, what in MADE_FROM.items():
        if not isinstance(made_from, dict) or made_from.get(name) != wanted["made_from"].get(name):
            raise DataError(f"{path} holds features of {what}: name another folder by features_dir, or remove this one")
    for name in ("shape", "splits"):
        if found.get(name) != wanted[name]:
            raise DataError(f"{path} holds features of {name} {found.get(name)}, not {wanted[name]}: {_again(path)}")


def _small_file(file: Path, recorded: Mapping[str, int]) -> np.ndarray:
    try:
        data = read_regular(file)
    except OSError as error:
        raise storage_error(error, file, "read", _again(file.parent)) from error
    if zlib.crc32(data) != recorded["crc32"]:
        raise DataError(f"{file} is damaged (its checksum differs from the manifest): {_again(file.parent)}")
    return parse_array(data, file)


def _again(path: Path) -> str:
    return f"remove {path}, and the same command encodes its views again"
