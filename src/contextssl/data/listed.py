"""Files by name, in a folder or an archive: what both give, and those of a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from contextssl.data.origins import file_mark
from contextssl.system.files import read_regular, storage_error

# A single file that is larger is refused: the largest image that is decoded has fewer bytes even uncompressed.
FILE_BYTES = 2**30


@runtime_checkable
class Files(Protocol):
    """Files by their path below the top, parts joined by ``/``."""

    @property
    def path(self) -> Path: ...

    @property
    def names(self) -> tuple[str, ...]:
        """All files, sorted."""

    @property
    def folders(self) -> tuple[str, ...]:
        """All folders, empty ones too, sorted."""

    @property
    def size(self) -> int | None:
        """The bytes of the archive; None of a folder."""

    def read(self, name: str) -> bytes:
        """The bytes of one file. Raises DataError where it is missing or damaged."""

    def mark(self, name: str) -> str:
        """What changes when the file does, without reading it, see :mod:`contextssl.data.origins`."""

    @property
    def has_checksums(self) -> bool:
        """Whether damage to the bytes is noticed when they are read."""


@dataclass(frozen=True)
class FolderFiles:
    """Files in a folder; links are followed."""

    path: Path
    names: tuple[str, ...]
    folders: tuple[str, ...]
    size: None = None
    has_checksums: bool = False

    def read(self, name: str) -> bytes:
        try:
            return read_regular(self.path / name, FILE_BYTES)
        except OSError as error:
            raise storage_error(error, self.path / name, "read") from error

    def mark(self, name: str) -> str:
        return file_mark(self.path / name)


def list_folder(path: Path) -> FolderFiles:
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
    return FolderFiles(path, tuple(sorted(names)), tuple(sorted(folders)))
