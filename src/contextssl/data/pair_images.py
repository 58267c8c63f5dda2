"""The images that a list of pairs names: read and packed as any folder of images, the pairs kept in a file of the store."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data
from contextssl.data.image_folder import ImagesSource, check_fraction
from contextssl.data.layout import SPLIT_ORDER, Listing
from contextssl.data.listed import Files
from contextssl.data.listed_pairs import ListedPairs, ListedViews
from contextssl.data.opened import data_of
from contextssl.data.pair_list import PairList
from contextssl.data.source import Item
from contextssl.data.store import Store
from contextssl.digest import digest_of, digest_of_bytes
from contextssl.errors import DataError, SettingsError
from contextssl.system.distributed import is_first_process
from contextssl.system.files import read_array, write_array

# In a file of its own next to a store, which knows its digest: (P, 4) of each pair its two images, in the order of the store, its kind and its group.
PAIRS = "pairs.npy"


class ListedImages(ImagesSource):
    """The images of a list, an :class:`~contextssl.data.source.ItemSource` of one view per item.

    Args:
        found: the list.
        val_fraction, seed: of the split, where the list has none.
        channels: 3, or 1 for grey.
        skipped: images that the list names and that cannot be read; its pairs of them were passed over.

    Raises:
        DataError: where some kind has no pair to train or to validate on.
        SettingsError: for a setting out of range.
    """

    def __init__(
        self, found: PairList, *, val_fraction: float = 0.1, channels: int = 3, seed: int = 0, skipped: tuple[str, ...] = ()
    ) -> None:
        if channels not in (1, 3):
            raise SettingsError(f"channels={channels}: images are read with 3 channels or 1")
        check_fraction(val_fraction)
        self.path, self.channels, self.skipped = found.file.parent, channels, skipped
        self.unreadable = "skip" if skipped else "refuse"
        self.listing = listing_of(found)
        self.class_names, self.notes = found.class_names, found.notes
        self.labelled = len(found.class_names) > 1
        self.kinds = found.kinds
        split_of = found.with_splits(val_fraction, seed)
        members = {split: np.flatnonzero(split_of == split) for split in SPLIT_ORDER if (split_of == split).any()}
        self.splits = {split: [Item(found.images[n], int(found.labels[n])) for n in those] for split, those in members.items()}
        place = np.empty(len(found.images), np.int64)
        place[np.concatenate([*members.values()])] = np.arange(len(found.images))
        first, second, kind = found.pairs.T
        self.pairs: Int[np.ndarray, "P 4"] = np.stack([place[first], place[second], kind, found.groups[first]], axis=1)
        self._cut = {"column": "split"} if found.splits[0] else {"val_fraction": val_fraction, "seed": seed}

    @cached_property
    def description(self) -> dict[str, Any]:
        listed = {"kinds": list(self.kinds), "pairs": len(self.pairs), "pairs_digest": digest_of_pairs(self.pairs)}
        return {**super().description, "kind": "pairs", **listed}


def listing_of(found: PairList) -> Listing:
    """The images that a list names."""
    return Listing(Files(found.file.parent, found.images, ()), "", found.images, (), 0)


def digest_of_pairs(pairs: Int[np.ndarray, "P 4"]) -> str:
    """16 hexadecimal digits of them."""
    return digest_of_bytes([np.ascontiguousarray(pairs, "<i8").tobytes()])


def keep_pairs(store: Store, source: ListedImages) -> None:
    """Writes the pairs into the store of their images, where they are not yet."""
    if is_first_process() and not (store.path / PAIRS).is_file():
        write_array(store.path / PAIRS, source.pairs)


def listed(store: Store, settings: DataSettings, pairs: Int[np.ndarray, "P 4"] | None = None) -> Data:
    """The pairs of a store of their images.

    Args:
        pairs: of the source that it was packed from; None to read them from the store.

    Raises:
        DataError: for a store of something else, and where its pairs are missing or damaged.
    """
    source = store.manifest.get("source") or {}
    if source.get("kind") != "pairs":
        raise DataError(
            f"{store.path} is a store of {source.get('kind', 'other views')}, not of listed pairs: say dataset={source.get('kind')}"
        )
    if pairs is None:
        pairs = read_array(store.path / PAIRS)
    if pairs.ndim != 2 or digest_of_pairs(pairs) != source["pairs_digest"]:
        raise DataError(
            f"{store.path / PAIRS} is not what was packed: remove {store.path}, and name the folder of the list to pack it again"
        )
    kinds = tuple(source["kinds"])

    def of(split: str) -> ListedPairs:
        start, stop = store.manifest["splits"][split]
        own = pairs[(pairs[:, 0] >= start) & (pairs[:, 0] < stop)]
        images = store[split]
        group_of = np.full(images.num_items, -1, np.int64)
        for end in (0, 1):
            group_of[own[:, end] - start] = own[:, 3]
        # Numbers without gaps: what is counted per group is small.
        groups = np.unique(group_of, return_inverse=True)[1].astype(np.int64)
        inside = np.concatenate([own[:, :2] - start, own[:, 2:3]], axis=1)
        return ListedPairs(ListedViews.of(images, kinds, inside, groups))

    data = data_of(store, settings, of)
    fingerprint = digest_of([store.fingerprint, list(kinds), source["pairs_digest"]])
    return replace(data, description={**data.description, "fingerprint": fingerprint})


def folder_name(file: Path) -> str:
    """What a store of a list is named after."""
    return file.resolve().parent.name or "pairs"
