"""A packed store in shards: its small files as they are, and its images in files of some 64 MiB, that can be read from anywhere.

What is written is a store (:mod:`contextssl.data.store`) whose ``images.npy`` lies in ``images-00000.npy``, …, each an array of consecutive items of
one split. The items of each split are shuffled when they are written, so that those of a shard are any items, and not of one class.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contextssl.data.store import CHECKSUMS, LABELS, LATENTS, MANIFEST, NAMES, RAW_LATENTS, Store, digest_of_statistics, fingerprint
from contextssl.digest import digest_of
from contextssl.errors import DataError
from contextssl.randomness import derive_seed
from contextssl.system.digested_json import DIGEST
from contextssl.system.files import array_bytes
from contextssl.system.progress import Meter
from contextssl.system.remote import Place
from contextssl.version import __version__

SHARDS = "shards"
# Bytes of a manifest, of a header of an array beyond its items.
MANIFEST_BYTES, HEADER_BYTES = 64 * 2**20, 4096


@dataclass(frozen=True)
class Shard:
    """A file of consecutive items."""

    name: str
    start: int
    stop: int
    bytes: int
    crc32: int

    @classmethod
    def listed(cls, manifest: Mapping[str, Any]) -> list[Shard]:
        """Those of a manifest, in order. Raises DataError for a manifest that lists none, or not every item once."""
        shards = manifest.get(SHARDS)
        items = manifest["shape"][0]
        if not isinstance(shards, list) or not all(
            isinstance(each, dict)
            and {*each} == {"name", "start", "stop", "bytes", "crc32"}
            and isinstance(each["name"], str)
            and "/" not in each["name"]
            and all(type(each[key]) is int and each[key] >= 0 for key in ("start", "stop", "bytes", "crc32"))
            for each in shards
        ):
            raise DataError("its manifest lists no shards: name the folder that contextssl data shard wrote")
        found = [cls(**each) for each in shards]
        bounds = [0, *(shard.stop for shard in found)]
        if [shard.start for shard in found] != bounds[:-1] or bounds[-1] != items or any(shard.start >= shard.stop for shard in found):
            raise DataError(f"its shards do not hold the {items} items one after the other: write them again")
        return found


def write_shards(store: Store, place: Place, shard_bytes: int, seed: int = 0, progress: bool = True) -> dict[str, Any]:
    """Writes a store in shards, and returns their manifest, which is written last: a folder without one is half-written. A shard that is there and
    is the same is not written again.

    Raises:
        DataError: where an item is damaged, the place cannot be written to, or holds other shards.
    """
    order = np.concatenate(list(_shuffled(store, seed)))
    shape = store.manifest["shape"]
    item_bytes = int(np.prod(shape[1:]))
    a_shard = max(1, shard_bytes // item_bytes)
    arrays = {
        LATENTS: np.concatenate([views.latents for views in store.values()])[order],
        LABELS: np.concatenate([views.labels for views in store.values()])[order],
    }
    raw = [views.raw_latents for views in store.values()]
    if all(each is not None for each in raw):
        arrays[RAW_LATENTS] = np.concatenate(raw)[order]  # type: ignore[arg-type]
    names = [name for views in store.values() for name in views.item_names]
    checksums = np.empty(len(order), np.uint32)
    shards: list[dict[str, Any]] = []
    meter = Meter("writing shards", len(order), "items", show=progress)
    known = _already(place)
    with meter:
        for views, (start, stop) in zip(store.values(), store.manifest["splits"].values(), strict=True):
            for first in range(start, stop, a_shard):
                last = min(first + a_shard, stop)
                chosen = order[first:last] - start
                views.check(chosen)
                items = np.ascontiguousarray(views.images[chosen])
                checksums[first:last] = [zlib.crc32(item.data) for item in items]
                data = array_bytes(items)
                about = {
                    "name": f"images-{len(shards):05d}.npy",
                    "start": first,
                    "stop": last,
                    "bytes": len(data),
                    "crc32": zlib.crc32(data),
                }
                if known.get(about["name"]) != (about["bytes"], about["crc32"]):
                    place.write(str(about["name"]), data)
                shards.append(about)
                meter.advance(last - first)
    arrays[CHECKSUMS] = checksums
    contents = {name: array_bytes(np.ascontiguousarray(array)) for name, array in arrays.items()}
    contents[NAMES] = json.dumps([names[item] for item in order], ensure_ascii=False).encode()
    for name, data in contents.items():
        place.write(name, data)
    kept = (
        "format",
        "version",
        "shape",
        "raw_width",
        "factors",
        "class_names",
        "splits",
        "source",
        "statistics_split",
        "image_mean",
        "image_std",
    )
    manifest = {name: store.manifest[name] for name in kept if name in store.manifest}
    manifest["files"] = {name: {"bytes": len(data), "crc32": zlib.crc32(data)} for name, data in contents.items()}
    manifest |= {"made_by": f"contextssl {__version__}", "sharded_from": store.fingerprint, SHARDS: shards}
    manifest |= {"fingerprint": fingerprint(manifest), "statistics_digest": digest_of_statistics(manifest)}
    plain = json.loads(json.dumps(manifest, ensure_ascii=False, allow_nan=False))
    place.write(MANIFEST, json.dumps({DIGEST: digest_of(plain), **plain}, ensure_ascii=False, indent=1).encode())
    return manifest


def _shuffled(store: Store, seed: int) -> Iterator[np.ndarray]:
    """The items of each split in a new order, counted over all splits."""
    for split, (start, stop) in store.manifest["splits"].items():
        yield start + np.random.default_rng(derive_seed(seed, "shards", split)).permutation(stop - start)


def _already(place: Place) -> dict[str, tuple[int, int]]:
    """The shards that a whole folder holds, by name."""
    if not place.has(MANIFEST):
        return {}
    try:
        listed = json.loads(place.read(MANIFEST, MANIFEST_BYTES))[SHARDS]
        return {each["name"]: (each["bytes"], each["crc32"]) for each in listed}
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{place.address} holds another {MANIFEST}: choose a folder that is new or empty") from None
