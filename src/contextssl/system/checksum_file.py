"""SHA-256 of a file that other programs read, in a file beside it, as ``sha256sum --check NAME.sha256`` and the like take it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contextssl.system.files import atomic_path, write_text
from contextssl.system.locks import locked

SUFFIX = ".sha256"


def checksum_file(path: Path) -> Path:
    """Where the checksum of a file is."""
    return path.with_name(path.name + SUFFIX)


@contextmanager
def checksummed_path(path: Path) -> Iterator[Path]:
    """As :func:`~contextssl.system.files.atomic_path`; the checksum is written once the file has its name, and is never that of another: a second
    process that writes the same file waits for the first.
    """
    with locked(path.with_name(f".{path.name}.lock"), f"writing {path}"):
        with atomic_path(path) as temporary:
            yield temporary
            digest = _digest(temporary)
            checksum_file(path).unlink(missing_ok=True)
        write_text(checksum_file(path), f"{digest}  {path.name}\n")


def is_as_written(path: Path) -> bool:
    """Whether the checksum beside a file, if there is one, is its own. Raises OSError."""
    try:
        listed = checksum_file(path).read_text(encoding="ascii", errors="replace").split()
    except FileNotFoundError:
        return True
    return listed[:1] == [_digest(path)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
