"""Items of a large store are compared with their checksums when they are first read: nothing damaged is used, and nothing waits for what is not.

To compare all of a store at each start would read it all, minutes for hundreds of gigabytes, for a command that may need few of its items. A proof
that is kept, by size and time of change, would not see what a disk loses without being written to.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt32

from contextssl.data.parallel import available_cpus
from contextssl.errors import DataError

# Fewer bytes are not worth threads.
THREADS_FROM = 1 << 24


def damaged_items(array: np.ndarray, recorded: UInt32[np.ndarray, " N"], items: Int[np.ndarray, " n"]) -> Iterator[int]:
    """Which of the items (their bytes are ``array[item]``) have another CRC-32 than recorded, the first ones first."""

    def differs(item: int) -> bool:
        return zlib.crc32(np.ascontiguousarray(array[item]).data) != int(recorded[item])

    threads = min(8, available_cpus()) if len(items) * array[0].nbytes >= THREADS_FROM else 1
    if threads == 1:
        yield from (item for item in items.tolist() if differs(item))
        return
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(differs, items.tolist())
        yield from (item for item, bad in zip(items.tolist(), found, strict=True) if bad)


class ItemChecks:
    """The items of an array that are still to be compared, each once, by whichever of the processes that share this reads it first.

    Args:
        path: the file, for messages.
        recorded: CRC-32 of each item's bytes.
        names: of the items, or their numbers.
    """

    def __init__(self, path: Path, recorded: UInt32[np.ndarray, " N"], names: Sequence[str] | range) -> None:
        self.path, self.recorded, self.names = path, recorded, names
        # In memory that processes which draw batches share.
        self.checked = torch.zeros(len(recorded), dtype=torch.bool).share_memory_()

    def check(self, array: np.ndarray, items: Int[np.ndarray, " n"]) -> None:
        """Compares those of the items that have not been. Raises DataError naming the first that is damaged."""
        checked = self.checked.numpy()
        new = np.unique(items[~checked[items]])
        if not len(new):
            return
        for item in damaged_items(array, self.recorded, new):
            raise DataError(
                f"{self.path}: item {item} ({self.names[item]}) is damaged (its checksum differs): copy the file again, or pack the store again"
            )
        checked[new] = True
