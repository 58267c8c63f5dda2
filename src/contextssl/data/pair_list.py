"""A list of pairs of images, ``pairs.csv``: which two count as the same, and in which respect (their kind).

Columns ``first`` and ``second`` (paths relative to the file's folder) and ``environment`` (the kind); if wanted ``item``, ``label``, ``split``.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

import numpy as np
from jaxtyping import Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from contextssl.data.layout import SPLIT_NAMES, SPLIT_ORDER, UNLABELLED
from contextssl.data.listed import FILE_BYTES
from contextssl.data.photo import SUFFIXES
from contextssl.errors import DataError, nearest
from contextssl.factors import NO_FACTOR, Factor, FactorSpace
from contextssl.randomness import derive_seed
from contextssl.system.files import read_regular, storage_error

FILE = "pairs.csv"
NEEDED = ("first", "second", "environment")
OPTIONAL = ("item", "label", "split")
# Of kinds: they are words of settings ('env_ratio={same_pose:0.5,…}') and parts of file names.
KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
# Words of settings with a meaning of their own.
TAKEN = (NO_FACTOR, "both", "all")
EMPTY = ("", "nan", "null", "n/a")


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
                found = [group for group in order.tolist() if group in set(groups.tolist())]
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


def read_pair_list(file: Path, without: Collection[str] = ()) -> PairList:
    """
    Args:
        without: images whose pairs are passed over.

    Raises:
        DataError: for the first fault, saying how many there are.
    """
    found, faults = look_over(file, without)
    if faults:
        more = f" (and {len(faults) - 1:,} more: contextssl data check {file.parent} lists them)" if len(faults) > 1 else ""
        raise DataError(f"{file}, {faults[0][1]}{more}")
    assert found is not None
    return found


@dataclass
class _Row:
    """A line of the list: its number, its two images, and the other columns."""

    line: int
    images: tuple[str, str]
    values: Mapping[str, str]


def look_over(file: Path, without: Collection[str] = ()) -> tuple[PairList | None, list[tuple[str, str]]]:
    """A list and everything that is wrong with it, each fault as its kind and a sentence; None where there is any.

    Raises:
        DataError: for what is no such list: another encoding, missing columns.
    """
    lines, columns, unread = _read(file)
    faults: list[tuple[str, str]] = []
    rows = [row for number, cells in lines if (row := _row(number, cells, columns, faults)) is not None]
    rows = [row for row in rows if not {*row.images} & {*without}] if without else rows
    images = tuple(sorted({image for row in rows for image in row.images}))
    faults += _missing(file.parent, images, rows)
    of_image = {column: _by_image(rows, column, faults) for column in OPTIONAL if column in columns}
    faults += _items_in_splits(rows) if {"item", "split"} <= {*columns} else []
    notes = [f"columns that are not read: {', '.join(unread)}"] if unread else []
    listed = {_key(row): row for row in reversed(rows)}
    if twice := len(rows) - len(listed):
        repeated = next(row for row in rows if listed[_key(row)] is not row)
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
    kept = [row for row in rows if listed[_key(row)] is row]
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


def _read(file: Path) -> tuple[list[tuple[int, list[str]]], list[str], list[str]]:
    """The lines below the header with their numbers, the name of each column, and the columns that are not read."""
    try:
        text = read_regular(file, FILE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise storage_error(error, file, "read") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text in UTF-8 (byte {error.start:,}): save it as CSV in UTF-8") from error
    try:
        lines = [
            (reader.line_num, cells) for reader in [csv.reader(io.StringIO(text, newline=""), strict=True)] for cells in reader if cells
        ]
    except csv.Error as error:
        raise DataError(f"{file} is no CSV ({error}): save it as CSV, with commas between the columns") from error
    if not lines:
        raise DataError(f"{file} is empty: its first line names the columns, {', '.join(NEEDED)}")
    header = [cell.strip().lower() for cell in lines[0][1]]
    for column in NEEDED:
        if column not in header:
            between = "put commas between the columns" if len(header) == 1 and re.search(r"[;\t|]", header[0]) else ""
            raise DataError(f"{file} has no column {column}: {between or _renamed(column, header)}")
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise DataError(f"{file} has two columns {repeated[0]!r}: keep one")
    return lines[1:], header, [name for name in header if name not in (*NEEDED, *OPTIONAL)]


def _renamed(column: str, header: list[str]) -> str:
    """What to do about a column that is missing."""
    others = [name for name in header if name not in (*NEEDED, *OPTIONAL)]
    similar = next((name for name in others if name and nearest(name, NEEDED).find(f"{column!r}") >= 0), None)
    rename = f"rename {similar!r} to {column!r}" if similar else "add it"
    return f"{rename}; the columns are {', '.join(NEEDED)}, and if you like {', '.join(OPTIONAL)}"


def _row(number: int, cells: list[str], columns: list[str], faults: list[tuple[str, str]]) -> _Row | None:
    """A line; None where something is wrong with it, which is added to the faults."""
    if len(cells) != len(columns):
        what = f"line {number} has {len(cells)} fields, and the header {len(columns)}: put names with commas into double quotes"
        faults.append(("line", what))
        return None
    values = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    own = [
        (column, f"line {number} has no {column}: fill it in, or remove the line")
        for column in (*NEEDED, *OPTIONAL)
        if values.get(column, "…").lower() in EMPTY
    ]
    kind = values["environment"]
    if not own and not KIND.fullmatch(kind):
        letters = "a kind is a letter followed by letters, digits, _ and - (ASCII, 60 at most), such as same_pose"
        own.append(("environment", f"line {number}: the kind {kind!r} cannot be given in settings: {letters}"))
    elif kind in TAKEN:
        what = f"line {number}: a kind cannot be called {kind}, which has a meaning in settings: name what the two views share, such as same_item"
        own.append(("environment", what))
    images = []
    for column in ("first", "second") if not own else ():
        name = values[column]
        inside = posixpath.normpath(name)
        if name.startswith("/") or PureWindowsPath(name).drive:
            own.append(("path", f"line {number}: {name} is an absolute path: write it relative to the folder of the list"))
        elif inside == ".." or inside.startswith("../"):
            own.append(("path", f"line {number}: {name} leaves the folder of the list: move the image into it, or the list up"))
        elif "\\" in name:
            own.append(("path", f"line {number}: {name} has backslashes: write / between folders"))
        elif not inside.lower().endswith(SUFFIXES):
            own.append(("path", f"line {number}: {name} is no image by its suffix: images end in {', '.join(SUFFIXES)}"))
        images.append(inside)
    if not own and images[0] == images[1]:
        own.append(("pair", f"line {number} pairs {images[0]} with itself: name two images"))
    if "split" in values and not own:
        split = values["split"].lower()
        if split not in SPLIT_NAMES:
            own.append(("split", f"line {number}: unknown split {values['split']!r}: {nearest(split, SPLIT_ORDER)}"))
        else:
            values["split"] = SPLIT_NAMES[split]
    faults += own
    return None if own else _Row(number, (images[0], images[1]), values)


def _missing(folder: Path, images: tuple[str, ...], rows: list[_Row]) -> Iterator[tuple[str, str]]:
    """The images that are not there, each once."""
    absent = set()
    for image in images:
        found = False
        with suppress(OSError, ValueError):
            found = (folder / image).is_file()
        if not found:
            absent.add(image)
    for row in rows if absent else ():
        for image in row.images:
            if image in absent:
                absent.discard(image)
                yield "image", f"line {row.line}: there is no image {folder / image}: add it, or remove the line"


def _by_image(rows: list[_Row], column: str, faults: list[tuple[str, str]]) -> dict[str, str]:
    """The value of each image in a column; where lines contradict each other the first, and a fault."""
    found: dict[str, tuple[str, int]] = {}
    for row in rows:
        for image in row.images:
            value, line = found.setdefault(image, (row.values[column], row.line))
            if value != row.values[column]:
                what = f"{image} has the {column} {value} in line {line} and {row.values[column]} in line {row.line}"
                faults.append((column, f"line {row.line}: {what}: give each image one"))
    return {image: value for image, (value, _) in found.items()}


def _items_in_splits(rows: list[_Row]) -> Iterator[tuple[str, str]]:
    """The items that stand in two splits, each once."""
    found: dict[str, str] = {}
    told: set[str] = set()
    for row in rows:
        item, split = row.values["item"], row.values["split"]
        if found.setdefault(item, split) != split and item not in told:
            told.add(item)
            yield "split", f"line {row.line}: the item {item} is in {found[item]} and in {split}: keep it in one"


def _key(row: _Row) -> tuple[str, str, str]:
    """Equal of pairs that are the same, whichever image comes first."""
    low, high = sorted(row.images)
    return low, high, row.values["environment"]
