"""Only one process at a time makes a data set in a folder; the others wait for it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

POLL_SECONDS = 0.2


@contextmanager
def only_one(lock: Path, doing: str) -> Iterator[None]:
    """Holds ``lock``, a file in a folder that exists; waits while another process holds it, and says so once.

    The lock goes with its process, however that ends. Where the system or the file system has no locks, nothing is held.

    Args:
        doing: what another process would be doing, such as ``"packing into datasets/x"``.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    told = False
    while True:
        file = lock.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            if not told:
                print(f"another process is {doing}: waiting for it to end", file=sys.stderr, flush=True)
                told = True
            time.sleep(POLL_SECONDS)
            continue
        except OSError:  # a file system without locks
            break
        if _is_at(file.fileno(), lock):
            break
        file.close()  # whoever held it has taken it away in the meantime: a lock on that file keeps nobody out
    with file:
        try:
            yield
        finally:
            # Only its holder takes it away, and whoever waited for it looks whether it still lies there, so that two never hold it.
            with suppress(OSError):
                if _is_at(file.fileno(), lock):
                    lock.unlink()


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
