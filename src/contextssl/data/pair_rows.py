"""The lines of a list of pairs, and everything that may be wrong with one, each fault in a sentence."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TypeAlias

from contextssl.data.layout import SPLIT_NAMES, SPLIT_ORDER
from contextssl.data.listed import read_csv
from contextssl.data.photo import SUFFIXES
from contextssl.errors import DataError, nearest
from contextssl.factors import NO_FACTOR

IMAGES = ("first", "second")
NEEDED = (*IMAGES, "environment")
OPTIONAL = ("item", "label", "split")
# Of kinds: they are words of settings ('env_ratio={same_pose:0.5,…}') and parts of file names.
KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
# Words of settings with a meaning of their own.
TAKEN = (NO_FACTOR, "both", "all")
EMPTY = ("", "nan", "null", "n/a")
MOST_COLUMNS = 1000


# What it is about, and a sentence.
Fault: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class Row:
    """A line of the list: its number, its two images, and the other columns."""

    line: int
    images: tuple[str, str]
    values: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal of pairs that are the same, whichever image comes first."""
        low, high = sorted(self.images)
        return low, high, self.values.get("environment", "")


def read_rows(
    file: Path, faults: list[Fault], known: Collection[str] | None = None, *, kinds: bool = True
) -> tuple[list[Row], list[str], list[str]]:
    """The lines of a list, its columns, and those columns that are not read; what is wrong with a line is added to the faults.

    Args:
        known: the names that a line may hold, of rows of features; None: it holds paths of images.
        kinds: whether the column ``environment`` must be there, and be words of settings.

    Raises:
        DataError: for what is no such list: another encoding, missing columns.
    """
    needed = NEEDED if kinds else IMAGES
    lines, columns, unread = _read(file, needed)
    try:
        rows = [row for number, cells in lines if (row := _row(number, cells, columns, faults, known, kinds)) is not None]
    except csv.Error as error:
        raise _no_csv(file, error) from error
    return rows, columns, unread


def _read(file: Path, needed: tuple[str, ...]) -> tuple[Iterator[tuple[int, list[str]]], list[str], list[str]]:
    """The lines below the header with their numbers, as they are asked for; the name of each column, and the columns that are not read."""
    reader = csv.reader(io.StringIO(read_csv(file), newline=""), strict=True)
    lines = ((reader.line_num, cells) for cells in reader if cells)
    try:
        first = next(lines, None)
    except csv.Error as error:
        raise _no_csv(file, error) from error
    if first is None:
        raise DataError(f"{file} is empty: its first line names the columns, {', '.join(needed)}")
    header = [cell.strip().lower() for cell in first[1]]
    if len(header) > MOST_COLUMNS:
        raise DataError(f"{file} has {len(header):,} columns: name {', '.join(needed)} in its first line, with commas between them")
    for column in needed:
        if column not in header:
            between = "put commas between the columns" if len(header) == 1 and re.search(r"[;\t|]", header[0]) else ""
            raise DataError(f"{file} has no column {column}: {between or _renamed(column, header)}")
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise DataError(f"{file} has two columns {repeated[0]!r}: keep one")
    return lines, header, [name for name in header if name not in (*NEEDED, *OPTIONAL)]


def _no_csv(file: Path, error: csv.Error) -> DataError:
    return DataError(f"{file} is no CSV ({error}): save it as CSV, with commas between the columns")


def _renamed(column: str, header: list[str]) -> str:
    """What to do about a column that is missing."""
    others = [name for name in header if name not in (*NEEDED, *OPTIONAL)]
    similar = next((name for name in others if name and nearest(name, NEEDED).find(f"{column!r}") >= 0), None)
    rename = f"rename {similar!r} to {column!r}" if similar else "add it"
    return f"{rename}; the columns are {', '.join(NEEDED)}, and if you like {', '.join(OPTIONAL)}"


def _row(number: int, cells: list[str], columns: list[str], faults: list[Fault], known: Collection[str] | None, kinds: bool) -> Row | None:
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
    kind = values["environment"] if kinds else "any"
    if not own and not KIND.fullmatch(kind):
        letters = "a kind is a letter followed by letters, digits, _ and - (ASCII, 60 at most), such as same_pose"
        own.append(("environment", f"line {number}: the kind {kind!r} cannot be given in settings: {letters}"))
    elif kind in TAKEN:
        what = f"line {number}: a kind cannot be called {kind}, which has a meaning in settings: name what the two views share, such as same_item"
        own.append(("environment", what))
    images = []
    for column in IMAGES if not own else ():
        name = values[column]
        if known is None:
            name, fault = _path(number, name)
            own += fault
        elif name not in known:
            own.append(("row", f"line {number}: no row of the features is called {name}: name one of theirs, or remove the line"))
        images.append(name)
    if not own and images[0] == images[1]:
        own.append(("pair", f"line {number} pairs {images[0]} with itself: name two"))
    if "split" in values and not own:
        split = values["split"].lower()
        if split not in SPLIT_NAMES:
            own.append(("split", f"line {number}: unknown split {values['split']!r}: {nearest(split, SPLIT_ORDER)}"))
        else:
            values["split"] = SPLIT_NAMES[split]
    faults += own
    return None if own else Row(number, (images[0], images[1]), values)


def _path(number: int, name: str) -> tuple[str, list[Fault]]:
    """The path of an image in or below the folder of the list, in one form, and what is wrong with it."""
    inside = posixpath.normpath(name)
    fault = ""
    if name.startswith("/") or PureWindowsPath(name).drive:
        fault = f"{name} is an absolute path: write it relative to the folder of the list"
    elif inside == ".." or inside.startswith("../"):
        fault = f"{name} leaves the folder of the list: move the image into it, or the list up"
    elif "\\" in name:
        fault = f"{name} has backslashes: write / between folders"
    elif not inside.lower().endswith(SUFFIXES):
        fault = f"{name} is no image by its suffix: images end in {', '.join(SUFFIXES)}"
    return inside, [("path", f"line {number}: {fault}")] if fault else []


def missing_images(folder: Path, images: tuple[str, ...], rows: list[Row]) -> Iterator[Fault]:
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


def by_image(rows: list[Row], column: str, faults: list[Fault]) -> dict[str, str]:
    """The value of each image in a column; where lines contradict each other the first, and a fault."""
    found: dict[str, tuple[str, int]] = {}
    for row in rows:
        for image in row.images:
            value, line = found.setdefault(image, (row.values[column], row.line))
            if value != row.values[column]:
                what = f"{image} has the {column} {value} in line {line} and {row.values[column]} in line {row.line}"
                faults.append((column, f"line {row.line}: {what}: give each image one"))
    return {image: value for image, (value, _) in found.items()}


def items_in_splits(rows: list[Row]) -> Iterator[Fault]:
    """The items that stand in two splits, each once."""
    found: dict[str, str] = {}
    told: set[str] = set()
    for row in rows:
        item, split = row.values["item"], row.values["split"]
        if found.setdefault(item, split) != split and item not in told:
            told.add(item)
            yield "split", f"line {row.line}: the item {item} is in {found[item]} and in {split}: keep it in one"
