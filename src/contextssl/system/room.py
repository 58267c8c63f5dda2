"""Whether memory can be had at all, asked before a library is called that ends the process where it cannot."""

from __future__ import annotations

import mmap


def ensure_room(count: int) -> None:
    """Raises MemoryError where this process may not map so many bytes more. Nothing of them is used, so it costs microseconds."""
    try:
        mmap.mmap(-1, count).close()
    except OSError as error:
        raise MemoryError(f"cannot allocate {count // 2**20} MiB") from error
