"""Temporary files whose writer was killed. A writer holds a lock on its own, which ends with its process however that ends."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that is open can be neither renamed nor removed
    fcntl = None  # type: ignore[assignment]

# In a temporary name, after the target's.
MARK = r"\.[0-9a-f]{8}\.tmp"


@contextmanager
def in_use(temporary: Path) -> Iterator[None]:
    """Makes a file, empty, and holds it as that of a writer that lives."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        # A file system without locks has none: what is abandoned there stays.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def remove_abandoned(path: Path) -> None:
    """Removes the temporary files for ``path`` whose writer is gone."""
    if fcntl is None:
        return
    name = re.compile(rf"\.{re.escape(path.stem)}{MARK}{re.escape(path.suffix)}")
    with suppress(OSError):
        for found in [file for file in path.parent.iterdir() if name.fullmatch(file.name)]:
            _remove_if_abandoned(found)


def _remove_if_abandoned(found: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.unlink()
        finally:
            os.close(descriptor)
