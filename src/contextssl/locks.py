"""One process at a time in a folder: a lock that ends with the process, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"
_held: set[int] = set()


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Whether this process now has ``folder`` to itself; False where another one has. Nothing is written where the folder itself can be locked.

    On Windows, and on a file system without locks, it is always True.
    """
    descriptor = _open(folder)
    if descriptor is None:
        yield True
        return
    _held.add(descriptor)
    try:
        yield _take(descriptor) is not False
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _open(folder: Path) -> int | None:
    try:
        import fcntl  # noqa: F401
    except ImportError:  # Windows
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    if _take(descriptor) is None:
        # A network file system locks files alone.
        os.close(descriptor)
        with suppress(OSError):
            return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        return None
    return descriptor


def _take(descriptor: int) -> bool | None:
    """None where the file system has no such lock."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _in_child() -> None:
    # A lock belongs to all who inherited it: a worker that outlives the process would keep it.
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
