"""Files by name, in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from contextssl.data.origins import file_mark
from contextssl.errors import DataError
from contextssl.system.files import read_regular, storage_error

# A single file that is larger is refused: the largest image that is decoded has hardly more bytes even uncompressed, of 16 bits per channel.
FILE_BYTES = 2**29
# Of a list in CSV, whose lines take ten times their place in the file while it is read.
CSV_BYTES, CSV_LINES = 2**27, 1_000_000


@dataclass(frozen=True)
class Files:
    """Files in a folder by their path below it, parts joined by ``/``; links are followed. Those of an archive are read otherwise
    (:class:`~contextssl.data.archive.ArchiveFiles`).

    Args:
        names, folders: all of them, empty folders too, sorted.
        size: the bytes of the archive; None of a folder.
        has_checksums: whether damage to the bytes is noticed when they are read.
    """

    path: Path
    names: tuple[str, ...] = field(repr=False)
    folders: tuple[str, ...] = field(repr=False)
    size: int | None = None
    has_checksums: bool = False

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises DataError where it is missing or damaged."""
        try:
            return read_regular(self.path / name, FILE_BYTES)
        except OSError as error:
            raise storage_error(error, self.path / name, "read") from error

    def mark(self, name: str) -> str:
        """What changes when the file does, without reading it, see :mod:`contextssl.data.origins`: size and time of change."""
        return file_mark(self.path / name)


def read_csv(file: Path) -> str:
    """The text of a list in CSV, with or without a byte order mark. Raises DataError where it cannot be read, is no text in UTF-8, or is longer than
    any list.
    """
    try:
        data = read_regular(file, CSV_BYTES)
        if (lines := data.count(b"\n")) > CSV_LINES:
            raise DataError(f"{file} has {lines:,} lines, more than the {CSV_LINES:,} that are read of a list: cut it into several")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise storage_error(error, file, "read") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text in UTF-8 (byte {error.start:,}): save it as CSV in UTF-8") from error


def list_folder(path: Path) -> Files:
    """Every file and folder below ``path``. Raises DataError where a folder cannot be read."""
    names: list[str] = []
    folders: list[str] = []

    def walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:  # a link back to a folder that holds it
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(prefix + entry.name)
                    walk(folder / entry.name, f"{prefix}{entry.name}/", above | {here})
                else:
                    names.append(prefix + entry.name)

    try:
        walk(path, "", frozenset())
    except OSError as error:
        raise storage_error(error, error.filename or path, "read the folder") from error
    return Files(path, tuple(sorted(names)), tuple(sorted(folders)))
