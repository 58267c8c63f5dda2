"""The journal of a store that is being packed: which items are done, so that a pack that was killed resumes where it stopped."""

from __future__ import annotations

import errno
import os
import time
import zlib
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Bool

from contextssl.errors import DataError
from contextssl.system.digested_json import read_digested
from contextssl.system.files import write_bytes

# Beside images.npy while it is written: what it is packed from, the records, and how many of them are surely on the disk.
IMAGES = "images.npy"
SETTINGS = "packing.json"
JOURNAL = "packing.journal"
SYNCED = "packing.synced"
FLUSH_SECONDS = 5.0


def remove_journal(out: Path) -> None:
    """Removes what packing needed, of a store that is whole: also where the process that packed it was killed before it did."""
    for name in (JOURNAL, SYNCED, SETTINGS):
        with suppress(OSError):
            (out / name).unlink(missing_ok=True)


def record_type(shape: tuple[int, ...], raw_width: int) -> np.dtype:
    """What is kept of an item: its number, the checksum of its images, sums of their channels, its latents, a checksum of all that."""
    sums = [(name, "<u8", (shape[-1],)) for name in ("sums", "squares")]
    return np.dtype([("item", "<u8"), ("crc32", "<u4"), *sums, ("raw", "<f8", (shape[1], raw_width)), ("record_crc32", "<u4")])


class Journal:
    """The items of a half-written store that are done, in memory and on the disk.

    Args:
        array: the file of the store, which holds ``items`` of ``item_bytes`` bytes each from the byte ``offset`` on: images, or features of them.
        kind: of the records: fields ``item``, ``crc32`` and, last, ``record_crc32``.
        stale: which items are to be packed again, whatever the file says of them.

    The file is a run of records. ``packing.synced`` says how many of them describe images that are surely on the disk; the others are
    checked against the images when a pack is resumed, since after a power cut a record may have reached the disk before its images.
    """

    def __init__(
        self, array: Path, kind: np.dtype, items: int, item_bytes: int, offset: int, stale: Bool[np.ndarray, " N"] | None = None
    ) -> None:
        self.stale, self.offset, self.item_bytes = stale, offset, item_bytes
        self.path, self.synced_path, self.array = array.with_name(JOURNAL), array.with_name(SYNCED), array
        self.type = kind
        # A row per item, in the order of the store, and which of them are done.
        self.records = np.zeros(items, kind)
        self.done = np.zeros(items, bool)

    def __enter__(self) -> Journal:
        records = read_journal(self.path, self.type)
        synced = _count(self.synced_path)
        with self.array.open("rb") as array:
            for place, record in enumerate(records):
                fresh = self.stale is None or not self.stale[record["item"]]
                if fresh and (place < synced or self._agrees(array, record)):
                    self._keep(record)
        # The file is written again, without a torn or doubtful record.
        self.synced_path.unlink(missing_ok=True)
        write_bytes(self.path, self.records[self.done].tobytes())
        self.file = self.path.open("ab", buffering=0)
        self.array_file = self.array.open("r+b")
        self.flush()
        return self

    @property
    def count(self) -> int:
        """How many items are done."""
        return int(self.done.sum())

    def _agrees(self, array: IO[bytes], record: Any) -> bool:
        array.seek(self.offset + int(record["item"]) * self.item_bytes)
        return zlib.crc32(array.read(self.item_bytes)) == int(record["crc32"])

    def _keep(self, record: Any) -> None:
        self.records[record["item"]] = record
        self.done[record["item"]] = True

    def add(self, record: Any) -> None:
        data = record.tobytes()
        if self.file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._keep(record)
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Images first, then the records that speak of them, then the count of those."""
        os.fsync(self.array_file.fileno())
        os.fsync(self.file.fileno())
        count = str(self.count).encode()
        write_bytes(self.synced_path, b"%b %08x" % (count, zlib.crc32(count)))
        self.flushed = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.array_file.close()
        self.file.close()


def _count(path: Path) -> int:
    """0, so that everything is compared, where the file is missing or damaged."""
    text = path.read_bytes() if path.is_file() else b""
    count, _, checksum = text.partition(b" ")
    return int(count) if count.isdigit() and checksum == b"%08x" % zlib.crc32(count) else 0


def read_journal(path: Path, kind: np.dtype) -> list[Any]:
    """The whole records of a journal, up to the first that is torn or damaged."""
    data = path.read_bytes() if path.is_file() else b""
    whole = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    return list(takewhile(lambda record: zlib.crc32(record.tobytes()[:-4]) == record["record_crc32"], whole))


def progress_of(path: Path) -> tuple[int, int]:
    """How many items of a half-written store are done, and how many there will be."""
    settings = read_digested(path / SETTINGS, f"remove {path}, and pack it again")
    shape, raw_width = settings.get("shape"), settings.get("raw_width", -1)
    if not isinstance(shape, list) or len(shape) != 5 or any(type(size) is not int or size < 0 for size in (*shape, raw_width)):
        raise DataError(f"{path / SETTINGS} is damaged (it has no shape of images): remove {path}, and pack it again")
    records = read_journal(path / JOURNAL, record_type(tuple(shape), raw_width))
    return len({int(record["item"]) for record in records}), shape[0]
