"""Features that a user brings, in a file: ``.npy`` or ``.npz`` of numbers, or ``.parquet`` with names and other columns next to them."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from contextssl.errors import DataError
from contextssl.system.files import parse_array, readable_bytes, storage_error, too_large
from contextssl.system.zip_directory import listed_members

if TYPE_CHECKING:
    import pandas as pd

KINDS = (".npy", ".npz", ".parquet", ".pq")
# The column, or array, of names.
NAME = "name"
# Arrays of a file at most, and what they may unpack to: so much, and so many times the file's own size.
MOST_ARRAYS = 100
UNPACKED_BYTES, UNPACKED_RATIO = 2**28, 20
DAMAGE = (
    *(
        ValueError,
        EOFError,
        KeyError,
        TypeError,
        SyntaxError,
        OverflowError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
    ),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
# Rows that are looked at together.
ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class BroughtFeatures:
    """
    Args:
        values: (R, F) float, a row for each view; of an ``.npy`` file memory-mapped.
        names: of each row; where the file has none its number, from 0.
        named: whether the file has names.
        columns: what else the file says of each row.
    """

    path: Path
    # Looked over when it is read: a file may hold anything.
    values: np.ndarray = field(repr=False)
    names: Sequence[str] = field(repr=False)
    named: bool = False
    columns: pd.DataFrame | None = field(default=None, repr=False)

    def rows(self, chosen: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n F"]:
        """Some rows in memory, float32, or float16 where they are that."""
        found = np.asarray(self.values[chosen])
        return found if found.dtype == np.float16 else found.astype(np.float32)


def read_features(path: str | None) -> BroughtFeatures:
    """
    Raises:
        DataError: where no file is named, or it is missing, damaged, or no table of finite numbers with a name each.
    """
    if path is None:
        raise DataError("no features: give features=FILE, an .npy, .npz or .parquet file with a row of numbers for each view")
    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no file {file}: check the path")
    suffix = file.suffix.lower()
    if suffix not in KINDS:
        raise DataError(f"{file} is no file of features by its name: save them as {', '.join(KINDS)}")
    try:
        brought = _of_parquet(file) if suffix in (".parquet", ".pq") else _of_arrays(file)
    except OSError as error:
        raise storage_error(error, file, "read") from error
    _check(brought)
    return brought


def _of_arrays(file: Path) -> BroughtFeatures:
    try:
        arrays = _of_archive(file) if zipfile.is_zipfile(file) else {"": np.lib.format.open_memmap(file, mode="r")}
    except DataError:
        raise
    except MemoryError as error:
        raise too_large(file) from error
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{file} is damaged, or holds no plain numbers ({reason}): write it again by numpy.save") from error
    tables = [name for name, array in arrays.items() if array.ndim == 2]
    if len(tables) != 1:
        shapes = ", ".join(f"{name or 'it'} {array.shape}" for name, array in arrays.items())
        raise DataError(f"{file} must hold one array (rows, numbers): it holds {shapes}")
    others = [name for name in arrays if name not in tables]
    if [name for name in others if name not in ("names", NAME)]:
        raise DataError(
            f"{file} holds {', '.join(others)} next to its features: only names are read, write what else there is as a table (path=FILE)"
        )
    values = arrays[tables[0]]
    if not others:
        return BroughtFeatures(file, values, [str(number) for number in range(len(values))])
    return BroughtFeatures(file, values, arrays[others[0]].astype(str).tolist(), named=True)


def _of_archive(file: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz``, none of which is read before it is known how large it is."""
    if (count := listed_members(file)) > MOST_ARRAYS:
        raise DataError(f"{file} holds some {count:,} arrays: give one array (rows, numbers), and beside it names")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        unpacked, most = sum(member.file_size for member in members), UNPACKED_BYTES + UNPACKED_RATIO * file.stat().st_size
        if unpacked > most:
            raise DataError(
                f"{file} unpacks to {readable_bytes(unpacked)}, more than {readable_bytes(most)}: save it by numpy.savez, or as .npy"
            )
        return {
            member.filename.removesuffix(".npy"): parse_array(archive.read(member), f"{member.filename} in {file}") for member in members
        }


def _of_parquet(file: Path) -> BroughtFeatures:
    from contextssl.data.tables import extra

    with extra():
        from contextssl.data.tables.table_file import read_file
    frame = read_file(file)
    lists = [name for name in frame.columns if isinstance(frame[name].iloc[0], (list, np.ndarray))]
    if len(lists) != 1:
        raise DataError(f"{file} must have one column that holds a list of numbers in each row: it has {', '.join(lists) or 'none'}")
    try:
        values = np.stack([np.asarray(row, np.float32) for row in frame[lists[0]]])
    except (ValueError, TypeError) as error:
        raise DataError(f"{file}: the lists of the column {lists[0]} are not equally many numbers in each row; fix them") from error
    rest = frame.drop(columns=lists)
    if NAME not in rest:
        return BroughtFeatures(file, values, [str(number) for number in range(len(values))], columns=rest)
    return BroughtFeatures(file, values, rest[NAME].astype(str).tolist(), named=True, columns=rest)


def _check(brought: BroughtFeatures) -> None:
    file, values, names = brought.path, brought.values, brought.names
    if values.ndim != 2 or values.dtype.kind != "f" or 0 in values.shape:
        raise DataError(f"{file} holds {values.dtype} of shape {values.shape}: features are floats (rows, numbers)")
    if len(names) != len(values):
        raise DataError(f"{file} holds {len(names)} names for {len(values)} rows: give each row one")
    if len({*names}) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise DataError(f"{file} names two rows {twice!r}: names tell rows apart")
    for start in range(0, len(values), ROWS):
        finite = np.isfinite(values[start : start + ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise DataError(f"{file}: the features of row {row} ({names[row]}) are not finite; fix or remove it")
