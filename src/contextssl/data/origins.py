"""Marks by which a file is recognised as the one that was packed, without reading every file again.

A mark is a file's size and the time of its last change; of a few files, spread over all, the bytes too. So a data set that was replaced by another
is noticed even where sizes and times agree, and millions of files are still checked in seconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt64

from contextssl.digest import digest_of_bytes, number_of

# Files whose bytes are read, and threads that ask for sizes: on a network's disk each answer takes its time.
SAMPLED = 256
THREADS = 16
PER_CALL = 256


def file_mark(path: Path) -> str:
    """Size and time of the last change of a file; ``"missing"`` where they are unknown."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def content_mark(data: bytes) -> str:
    """Of bytes that are in memory anyway."""
    return f"{len(data)} {zlib.crc32(data)}"


def origins_of(names: Sequence[str], mark: Callable[[str], str], content: Callable[[str], str] | None) -> UInt64[np.ndarray, " n"]:
    """A number for each item that changes when its files do, by the :func:`file_mark` of an item's files, and for at most ``SAMPLED`` items by the
    ``content`` of the first one's bytes; None where marks hold the bytes.
    """
    sampled = set(np.linspace(0, len(names) - 1, min(SAMPLED, len(names))).astype(int).tolist())

    def some(start: int) -> list[int]:
        listed = enumerate(names[start : start + PER_CALL], start)
        return [number_of(f"{mark(name)} {content(name) if content and place in sampled else ''}") for place, name in listed]

    with ThreadPoolExecutor(THREADS) as threads:
        return np.array([*chain(*threads.map(some, range(0, len(names), PER_CALL)))], np.uint64)


def digest_of_origins(origins: Iterable[Any]) -> str:
    """16 hexadecimal digits of all of them."""
    return digest_of_bytes([np.asarray(origins, "<u8").tobytes()])
