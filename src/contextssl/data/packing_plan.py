"""What is to be packed: the items in their order, and the values that a store to be continued must share."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt64

from contextssl.data.array_file import header_of
from contextssl.data.names import is_text, shown
from contextssl.data.source import Item, ItemSource
from contextssl.data.store import VERSION
from contextssl.errors import DataError
from contextssl.system.files import read_array

# In a file of its own next to a store: what its items were packed from, which is no part of their content.
ORIGINS = "origins.npy"


@dataclass(frozen=True)
class Plan:
    """A pack before it begins.

    Args:
        order: split, place in the split, and item, of every item in the order of the store.
        shape: (N, V, H, W, C) of the images; ``raw_width`` is how many generating parameters a view has.
        splits: first item of each split, and the one after its last.
        settings: plain values; two plans of equal ones make the same store.
        origins: of each item, see :mod:`contextssl.data.origins`; None of a source without files.
    """

    order: list[tuple[str, int, Item]]
    shape: tuple[int, int, int, int, int]
    raw_width: int
    splits: dict[str, tuple[int, int]]
    settings: dict[str, Any]
    origins: UInt64[np.ndarray, " N"] | None = None

    @classmethod
    def of(cls, source: ItemSource, resolution: int) -> Plan:
        """Raises DataError where a split is empty, a label is out of range, two items share a name, or a name is no UTF-8."""
        order: list[tuple[str, int, Item]] = []
        splits = {}
        classes = len(source.class_names)
        seen: set[str] = set()
        about = listing_of(source)
        for split, items in source.splits.items():
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
        settings = {"version": VERSION, "shape": list(shape), "raw_width": source.raw_width, "factors": source.factors.to_dict(), **about}
        # No results file could hold names that are no UTF-8.
        odd = [item.name for _, _, item in order if not is_text(item.name)]
        if odd:
            raise DataError(
                f"{len(odd)} names of files are no UTF-8, such as {shown(odd[0])}: rename them, for instance by "
                "convmv -f latin1 -t utf8 -r --notest DIR"
            )
        if not is_text(json.dumps(settings, ensure_ascii=False, allow_nan=False)):
            raise DataError("the path or a class of these data is no UTF-8: rename that folder")
        settings = json.loads(json.dumps(settings, allow_nan=False))
        return cls(order, shape, source.raw_width, splits, settings, getattr(source, "origins", None))

    @property
    def items(self) -> int:
        return self.shape[0]

    @property
    def file_bytes(self) -> int:
        """Of ``images.npy``."""
        return len(self.header) + math.prod(self.shape)

    @property
    def header(self) -> bytes:
        """The first bytes of ``images.npy``."""
        return header_of("|u1", self.shape)

    @property
    def statistics_split(self) -> str:
        """The split whose pixels give mean and deviation: ``train`` where there is one, else the first."""
        return "train" if "train" in self.splits else next(iter(self.splits))


def listing_of(source: ItemSource) -> dict[str, Any]:
    """Plain values that say which items there are, and where they are from. Raises DataError where a split is empty."""
    for split, items in source.splits.items():
        if not len(items):
            raise DataError(f"the split {split!r} is empty: every split needs at least one item")
    listing = json.dumps([[split, item.name, item.label] for split, items in source.splits.items() for item in items]).encode()
    return {"class_names": list(source.class_names), "items_crc32": zlib.crc32(listing), "source": source.description}


def same_but_for_files(found: Any, wanted: dict[str, Any]) -> bool:
    """Whether two plans' settings differ in nothing but how the files stood."""
    if isinstance(found, dict) and isinstance(found.get("source"), dict):
        found, wanted = ({**each, "source": {**each["source"], "files": None}} for each in (found, wanted))
    return bool(found == wanted)


def difference(out: Path, found: Any, plan: Plan) -> str | None:
    """What a store at ``out``, made by the settings ``found``, was made from otherwise than ``plan`` would make it; None where nothing."""
    if found == plan.settings:
        return None
    key, have, want = first_difference(found, plan.settings)
    if key == "items_crc32":
        return "other items: a name, a label or a split has changed since"
    if key == "shape" and isinstance(have, list) and len(have) == 5 and have[2] != want[2]:
        key, have, want = "resolution", have[2], want[2]
    if isinstance(have, dict) and isinstance(want, dict):
        inner, old, new = first_difference(have, want)
        if key == "source" and inner not in have:
            return f"no record of its source's {inner}, which earlier releases did not keep (to use it as it is, say data_dir={out})"
        if key == "source" and inner == "files":
            return _changed_files(out, plan)
        key, have, want = f"{key} {inner}", old, new
    return f"{key} {_short(have)}, not {_short(want)}"


def first_difference(found: Any, wanted: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """The first key in which settings differ, with what was found and what is wanted; what is no dictionary counts as an empty one."""
    found = found if isinstance(found, dict) else {}
    key = next(key for key in [*wanted, *found] if found.get(key) != wanted.get(key))
    return key, found.get(key), wanted.get(key)


def check_same(out: Path, found: Any, plan: Plan, what: str) -> None:
    """Raises DataError where a store was made from something else, naming the first difference."""
    other = difference(out, found, plan)
    if other is not None:
        raise DataError(f"{out} {what} with {other}: choose another folder, remove this one, or use its settings")


def changed_since(out: Path, plan: Plan) -> Bool[np.ndarray, " N"] | None:
    """Of which items the files are others than when they were packed into ``out``; None where that was not recorded."""
    if plan.origins is None or not (out / ORIGINS).is_file():
        return None
    before = read_array(out / ORIGINS)
    return None if before.shape != plan.origins.shape else before != plan.origins


def _changed_files(out: Path, plan: Plan) -> str:
    changed = changed_since(out, plan)
    if changed is None or not changed.any():
        return "other files: names, sizes or times of change differ"
    first = plan.order[int(np.flatnonzero(changed)[0])][2].name
    return f"other files: {int(changed.sum())} of {plan.items} items have changed since, such as {first}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
