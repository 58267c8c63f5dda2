"""Embeddings in a file, written a part at a time: memory does not grow with their number, and a command that was stopped goes on where it was.

While the file is made its parts lie in a hidden folder beside it, with what they were made from; it is put together when all are there. Its SHA-256
is then beside it, for those who read it (``sha256sum --check NAME.sha256``).
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from contextssl.digest import digest_of
from contextssl.errors import DataError, SettingsError
from contextssl.models.stored_embeddings import NPY, about_file, names_file
from contextssl.system.checksum_file import checksummed_path
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.files import array_bytes, parse_array, read_json, read_regular, storage_error, write_bytes, write_json
from contextssl.system.locks import locked

# The kinds of file, by suffix.
CSV, PARQUET = ".csv", ".parquet"
AGAIN = "run the same command again, which makes this part anew"
MADE_FROM, LOCK = "made_from.json", ".lock"
# In a table, the columns.
NAME, EMBEDDING = "name", "embedding"


def check_suffix(out: Path) -> None:
    """Raises SettingsError for a file of another kind, or one that needs a library that is not installed."""
    if out.suffix not in (NPY, CSV, PARQUET):
        raise SettingsError(f"out={out}: embeddings are written as {PARQUET}, {NPY} or {CSV}; name it so")
    if out.suffix == PARQUET:
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise SettingsError(f"out={out}: Parquet needs pyarrow: pip install 'contextssl[tables]', or name a {NPY} or {CSV}") from error


@dataclass
class EmbeddingsFile:
    """The parts of a file that is being made; of :func:`embeddings_file`."""

    out: Path
    parts: Path

    def done(self, number: int) -> bool:
        """Whether a part was made before, and is whole."""
        with suppress(DataError):
            self._part(number)
            return True
        return False

    def add(
        self, number: int, names: tuple[str, ...], vectors: Float32[np.ndarray, "n D"], skipped: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Keeps a part: embeddings and names of its images, and those that were left out, by name with the reason."""
        data = array_bytes(vectors)
        write_bytes(self._vectors(number), data)
        # Last: a part with names is whole.
        about = {"names": list(names), "skipped": [list(each) for each in skipped], "crc32": zlib.crc32(data)}
        write_digested(self._names(number), about)

    def finish(self, count: int, made_by: Mapping[str, Any]) -> tuple[int, list[tuple[str, str]]]:
        """Puts ``count`` parts together. Returns how many embeddings there are, and what was left out.
        Raises DataError for a part that is damaged.

        Args:
            made_by: what the embeddings depend on beside the images, kept beside an ``.npy`` file.
        """
        listed = [read_digested(self._names(number), AGAIN) for number in range(count)]
        names = [name for part in listed for name in part["names"]]
        with checksummed_path(self.out) as temporary:
            write = {NPY: _write_npy, CSV: _write_csv, PARQUET: _write_parquet}[self.out.suffix]
            write(temporary, [part["names"] for part in listed], (self._part(number) for number in range(count)))
        if self.out.suffix == NPY:
            with checksummed_path(names_file(self.out)) as temporary:
                write_json(temporary, names)
            write_digested(about_file(self.out), made_by)
        return len(names), [(name, reason) for part in listed for name, reason in part["skipped"]]

    def _part(self, number: int) -> np.ndarray:
        """The vectors of a part. Raises DataError where it is missing or damaged."""
        about, path = read_digested(self._names(number), AGAIN), self._vectors(number)
        try:
            data = read_regular(path)
        except OSError as error:
            raise storage_error(error, path, "read", AGAIN) from error
        if zlib.crc32(data) != about.get("crc32"):
            raise DataError(f"{path} is damaged (its checksum differs): {AGAIN}")
        return parse_array(data, path)

    def _vectors(self, number: int) -> Path:
        return self.parts / f"{number:06d}.npy"

    def _names(self, number: int) -> Path:
        return self.parts / f"{number:06d}.json"


@contextmanager
def embeddings_file(out: Path, made_from: Mapping[str, Any] | None) -> Iterator[EmbeddingsFile]:
    """A file that is made by this process alone. Parts of before are kept where they were made from the same, and removed otherwise; None is the
    same as nothing. What was made is kept when the block is left by an error or an interruption, and removed once the file is there.

    Raises:
        BusyError: where another process makes it.
        DataError: where it cannot be written.
    """
    check_suffix(out)
    parts = out.parent / f".{out.name}.parts"
    with locked(parts / LOCK, f"making {out}", wait=False):
        there: Any = None
        with suppress(DataError):
            there = read_json(parts / MADE_FROM)
        wanted = None if made_from is None else digest_of(dict(made_from))
        if wanted is None or there != wanted:
            _empty(parts)
            write_json(parts / MADE_FROM, wanted)
        yield EmbeddingsFile(out, parts)
        # Before another process may have them.
        _empty(parts)
    with suppress(OSError):
        parts.rmdir()


def _empty(parts: Path) -> None:
    """Remove all parts, and first what says that they are to be used: a process that is killed between two of them leaves none that count."""
    try:
        for path in sorted(parts.iterdir(), key=lambda path: path.name != MADE_FROM):
            if path.name != LOCK:
                path.unlink()
    except OSError as error:
        raise storage_error(error, error.filename or parts, "remove") from error


def _write_npy(path: Path, names: list[list[str]], parts: Iterator[np.ndarray]) -> None:
    rows = sum(map(len, names))
    array, first = None, 0
    for part in parts:
        if array is None:
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, part.shape[1]))
        array[first : first + len(part)] = part
        first += len(part)
    if array is None:
        np.save(path, np.zeros((0, 0), np.float32))
    else:
        array.flush()


def _write_csv(path: Path, names: list[list[str]], parts: Iterator[np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for number, (some, vectors) in enumerate(zip(names, parts, strict=True)):
            if number == 0:
                writer.writerow([NAME, *(f"e{index}" for index in range(vectors.shape[1]))])
            # As many digits as give the same float32 back.
            writer.writerows([name, *(f"{value:.9g}" for value in vector)] for name, vector in zip(some, vectors.tolist(), strict=True))


def _write_parquet(path: Path, names: list[list[str]], parts: Iterator[np.ndarray]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for some, vectors in zip(names, parts, strict=True):
            flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
            table = pa.table({NAME: pa.array(some, pa.string()), EMBEDDING: pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])})
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
