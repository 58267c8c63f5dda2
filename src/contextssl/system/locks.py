"""One process at a time: a lock on a file, held by ``filelock``, that ends with its process however that ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from contextssl.errors import BusyError
from contextssl.system.files import storage_error

# A shorter wait is not reported.
SILENT_SECONDS = 1.0


@contextmanager
def locked(path: Path | str, doing: str, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock at ``path``: a file that is there while a process holds it, or has died holding it. Its folder is made.

    ``doing`` is what another process that holds it is doing, such as ``"packing into datasets/x"``; ``wait`` until it has ended, saying so once.
    Raises BusyError where another process holds it and is not waited for; DataError where the folder cannot be written to.
    """
    path = Path(path)
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=SILENT_SECONDS if wait else 0)
        except Timeout:
            if not wait:
                raise BusyError(f"another process is {doing}: wait for it to end, or stop it first") from None
            print(f"another process is {doing}: waiting for it to end", file=sys.stderr, flush=True)
            lock.acquire()
    except OSError as error:
        raise storage_error(error, path, "lock") from error
    try:
        yield
    finally:
        # A process that waits for it checks, once it has it, that the file is still there. Windows keeps a file that is open.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
