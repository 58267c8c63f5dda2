"""A list of pairs of images, ``pairs.csv``: which two count as the same, and in which respect (their kind).

Columns ``first`` and ``second`` (paths relative to the file's folder) and ``environment`` (the kind); if wanted ``item``, ``label``, ``split``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from contextssl.data.layout import UNLABELLED
from contextssl.data.pair_rows import NEEDED, OPTIONAL, Fault, by_image, items_in_splits, missing_images, read_rows
from contextssl.errors import DataError
from contextssl.factors import Factor, FactorSpace
from contextssl.randomness import derive_seed

FILE = "pairs.csv"


@dataclass(frozen=True)
class PairList:
    """What a list says.

    Args:
        file: the list; images lie in and below its folder.
        images: N paths below that, sorted.
        kinds: K names, sorted.
        pairs: (P, 3) of each pair its two images and its kind; no pair twice.
        groups: (N,) of each image its item, or without items the connected images that it is one of.
        labels: (N,) of each image its class.
        splits: (N,) of each image ``"train"``, ``"val"`` or ``"test"``; ``""`` where the list has no splits.
        notes: what is worth noting and no fault.
    """

    file: Path
    images: tuple[str, ...] = field(repr=False)
    kinds: tuple[str, ...]
    pairs: Int[np.ndarray, "P 3"] = field(repr=False)
    groups: Int[np.ndarray, " N"] = field(repr=False)
    labels: Int[np.ndarray, " N"] = field(repr=False)
    class_names: tuple[str, ...]
    splits: Shaped[np.ndarray, " N"] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def factors(self) -> FactorSpace:
        return kinds_as_factors(self.kinds)

    def with_splits(self, val_fraction: float, seed: int) -> Shaped[np.ndarray, " N"]:
        """The split of each image: the list's, or a share of the groups drawn from the seed, so that no image stands in two splits.

        Raises:
            DataError: where some kind has no pair to train or to validate on, or nothing to tell apart.
        """
        splits = self.splits
        if len(splits) and splits[0] == "":
            splits = np.where(self._held_out(val_fraction, seed)[self.groups], "val", "train")
        where = splits[self.pairs[:, 0]]
        for number, kind in enumerate(self.kinds):
            of_kind = self.pairs[:, 2] == number
            for split in ("train", "val"):
                if not (of_kind & (where == split)).any():
                    fix = "list some" if self.splits[0] else f"list pairs of more items, or give a column {'split'!r}"
                    raise DataError(f"{self.file}: no pair of the kind {kind} is in the split {split}: {fix}")
            trained = self.pairs[of_kind & (where == "train")]
            if len(np.unique(same_views(len(self.images), trained[:, :2])[trained[:, 0]])) < 2:
                raise DataError(
                    f"{self.file}: all images of the kind {kind} that are trained on count as the same, since they are connected by its pairs: "
                    "there is nothing to tell them apart from; list pairs of another item, pose, …"
                )
        return splits

    def _held_out(self, fraction: float, seed: int) -> Shaped[np.ndarray, " G"]:
        """Which groups are held out: a share of them, and more where a kind would have no pair there."""
        count = int(self.groups.max()) + 1
        order = np.random.default_rng(derive_seed(seed, "validation")).permutation(count)
        held = np.zeros(count, bool)
        held[order[: min(max(round(fraction * count), 1), count - 1)]] = True
        group_of = self.groups[self.pairs[:, 0]]
        for number in range(len(self.kinds)):
            groups = group_of[self.pairs[:, 2] == number]
            if not held[groups].any():
                found = order[np.isin(order, groups)]
                held[found[:1]] = len(found) > 1
        return held


def kinds_as_factors(kinds: tuple[str, ...]) -> FactorSpace:
    """A factor for each kind of pair: what its two views share."""
    return FactorSpace(tuple(Factor(kind, 1, "example", (kind,)) for kind in kinds))


def same_views(images: int, pairs: Int[np.ndarray, "P 2"]) -> Int[np.ndarray, " N"]:
    """A number for each image; those are equal that pairs connect: to count as the same is transitive."""
    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(images, images))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def pair_file(data_dir: str | None, path: str | None = None) -> Path:
    """The list that settings name: ``path``, or ``pairs.csv`` in ``data_dir``, or ``data_dir`` itself where it is a file.

    Raises:
        DataError: where none is named, or there is none.
    """
    if path is None and data_dir is None:
        raise DataError(f"no data: give data_dir=DIR, a folder that holds {FILE}, or path=FILE, a list of another name")
    named = Path(str(path if path is not None else data_dir))
    file = named / FILE if named.is_dir() else named
    if not file.is_file():
        raise DataError(
            f"there is no {file}: write one, with the columns {', '.join(NEEDED)}"
            if named.is_dir() or not named.suffix
            else f"there is no file {file}: check the path"
        )
    if file.suffix.lower() in (".zip", ".tar", ".gz", ".tgz"):
        raise DataError(f"{file} is an archive: unpack it, and name the folder that holds {FILE}")
    return file


def read_pair_list(file: Path, without: Collection[str] = (), known: Collection[str] | None = None) -> PairList:
    """
    Args:
        without: images whose pairs are passed over.
        known: of pairs of features, the names of their rows, in place of images.

    Raises:
        DataError: for the first fault, saying how many there are.
    """
    found, faults = look_over(file, without, known)
    if faults:
        listed = "" if known is not None else f": contextssl data check {file.parent} lists them"
        more = f" (and {len(faults) - 1:,} more{listed})" if len(faults) > 1 else ""
        raise DataError(f"{file}, {faults[0][1]}{more}")
    assert found is not None
    return found


def look_over(file: Path, without: Collection[str] = (), known: Collection[str] | None = None) -> tuple[PairList | None, list[Fault]]:
    """A list and everything that is wrong with it, each fault as its kind and a sentence; None where there is any. Arguments as
    of :func:`read_pair_list`.

    Raises:
        DataError: for what is no such list: another encoding, missing columns.
    """
    faults: list[Fault] = []
    rows, columns, unread = read_rows(file, faults, known)
    rows = [row for row in rows if not {*row.images} & {*without}] if without else rows
    images = tuple(sorted({image for row in rows for image in row.images}))
    faults += missing_images(file.parent, images, rows) if known is None else []
    of_image = {column: by_image(rows, column, faults) for column in OPTIONAL if column in columns}
    faults += items_in_splits(rows) if {"item", "split"} <= {*columns} else []
    notes = [f"columns that are not read: {', '.join(unread)}"] if unread else []
    listed = {row.key: row for row in reversed(rows)}
    if twice := len(rows) - len(listed):
        repeated = next(row for row in rows if listed[row.key] is not row)
        notes.append(f"{twice:,} pairs are listed before, and passed over, such as that of line {repeated.line}")
    kinds = tuple(sorted({row.values["environment"] for row in rows}))
    if len(listed) < 2 and not faults:
        faults.append(("pairs", f"{len(listed)} pairs are listed: there must be at least two of each kind"))
    elif len(kinds) == 1 and not faults:
        only = f"all pairs are of the kind {kinds[0]}: a context has nothing to tell apart; list pairs of a second kind"
        faults.append(("environment", only))
    if faults:
        return None, faults
    place = {image: number for number, image in enumerate(images)}
    number_of = {kind: number for number, kind in enumerate(kinds)}
    kept = [row for row in rows if listed[row.key] is row]
    pairs = np.array([[*(place[image] for image in row.images), number_of[row.values["environment"]]] for row in kept], np.int64)
    if "item" in of_image:
        groups = np.unique([of_image["item"][image] for image in images], return_inverse=True)[1].astype(np.int64)
    else:
        groups = same_views(len(images), pairs[:, :2])
        if "split" not in of_image and groups.max() == 0:
            whole = "pairs connect all images with each other, so none can be held out: add a column split (train, val), or item"
            return None, [("split", whole)]
    class_names, labels = (UNLABELLED,), np.zeros(len(images), np.int64)
    if "label" in of_image:
        names, numbers = np.unique([of_image["label"][image] for image in images], return_inverse=True)
        class_names, labels = tuple(names.tolist()), numbers.astype(np.int64)
    splits = np.array([of_image.get("split", {}).get(image, "") for image in images])
    return PairList(file, images, kinds, pairs, groups, labels, class_names, splits, tuple(notes)), []
