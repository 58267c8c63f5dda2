"""What is to be packed: the items in their order, and the values that a store to be continued must share."""

from __future__ import annotations

import io
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contextssl.data.source import Item, ItemSource
from contextssl.data.store import VERSION
from contextssl.errors import DataError


@dataclass(frozen=True)
class Plan:
    """A pack before it begins.

    Args:
        order: split, place in the split, and item, of every item in the order of the store.
        shape: (N, V, H, W, C) of the images.
        raw_width: how many generating parameters a view has.
        splits: first item of each split, and the one after its last.
        settings: plain values; two plans of equal ones make the same store.
    """

    order: list[tuple[str, int, Item]]
    shape: tuple[int, int, int, int, int]
    raw_width: int
    splits: dict[str, tuple[int, int]]
    settings: dict[str, Any]

    @classmethod
    def of(cls, source: ItemSource, resolution: int) -> Plan:
        """
        Raises:
            DataError: where a split is empty, a label is out of range, or two items share a name.
        """
        order: list[tuple[str, int, Item]] = []
        splits = {}
        classes = len(source.class_names)
        seen: set[str] = set()
        for split, items in source.splits.items():
            if not len(items):
                raise DataError(f"the split {split!r} is empty: every split needs at least one item")
            splits[split] = (len(order), len(order) + len(items))
            for index, item in enumerate(items):
                if not 0 <= item.label < classes:
                    raise DataError(f"label {item.label} of {item.name} is out of range: there are {classes} classes, 0 to {classes - 1}")
                if item.name in seen:
                    raise DataError(f"two items are called {item.name!r}: names must be unique over all splits")
                seen.add(item.name)
                order.append((split, index, item))
        if not order:
            raise DataError("there is no split to pack: the source has none")
        shape = (len(order), source.num_views, resolution, resolution, source.channels)
        listing = json.dumps([[split, item.name, item.label] for split, _, item in order]).encode()
        settings = {
            "version": VERSION,
            "shape": list(shape),
            "raw_width": source.raw_width,
            "factors": source.factors.to_dict(),
            "class_names": list(source.class_names),
            "items_crc32": zlib.crc32(listing),
            "source": source.description,
        }
        return cls(order, shape, source.raw_width, splits, json.loads(json.dumps(settings, allow_nan=False)))

    @property
    def items(self) -> int:
        return self.shape[0]

    @property
    def item_bytes(self) -> int:
        return math.prod(self.shape[1:])

    @property
    def header(self) -> bytes:
        """The first bytes of ``images.npy``."""
        buffer = io.BytesIO()
        header = {"descr": np.dtype(np.uint8).str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(buffer, header)
        return buffer.getvalue()

    @property
    def statistics_split(self) -> str:
        """The split whose pixels give mean and deviation: ``train`` where there is one, else the first."""
        return "train" if "train" in self.splits else next(iter(self.splits))


def check_same(out: Path, found: Any, wanted: dict[str, Any], what: str) -> None:
    """Raises DataError where a store was made from something else, naming the first difference."""
    if found == wanted:
        return
    found = found if isinstance(found, dict) else {}
    key = next(key for key in [*wanted, *found] if found.get(key) != wanted.get(key))
    have: Any = found.get(key)
    want: Any = wanted.get(key)
    if key == "shape" and isinstance(have, list) and len(have) == 5 and have[2] != want[2]:
        key, have, want = "resolution", have[2], want[2]
    if isinstance(have, dict) and isinstance(want, dict):
        inner = next(name for name in [*want, *have] if have.get(name) != want.get(name))
        key, have, want = f"{key} {inner}", have.get(inner), want.get(inner)
    raise DataError(
        f"{out} {what} with {key} {_short(have)}, not {_short(want)}: choose another folder, remove this one, or use its settings"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
