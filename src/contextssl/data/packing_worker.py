"""What a worker of a pack does: reads items, writes their images in place, and hands back a journal record of each."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contextssl.data.array_file import write_at
from contextssl.data.journal import record_type
from contextssl.data.pixel_statistics import channel_sums
from contextssl.data.source import ItemSource
from contextssl.errors import DataError
from contextssl.system.files import storage_error


@dataclass(frozen=True)
class Job:
    """What each worker needs once: the source, which it reads itself; the file of images (N, V, H, W, C), its space claimed already, and at which
    byte they begin in it; how many generating parameters a view has.
    """

    source: ItemSource
    images: Path
    offset: int
    shape: tuple[int, int, int, int, int]
    raw_width: int


# Items for one worker to read and write: (place in the store, split, index in the split, name).
Task = tuple[tuple[int, str, int, str], ...]


def pack_task(job: Job, task: Task) -> tuple[list[Any], Exception | None]:
    """Reads items and writes their images in place: a journal record of each, and the error that ended the task, which keeps what came before."""
    records: list[Any] = []
    item_bytes = math.prod(job.shape[1:])
    try:
        with job.images.open("r+b", buffering=0) as file:
            for number, split, index, name in task:
                pixels, raw = _read(job, split, index, name)
                write_at(file, job.offset + number * item_bytes, pixels)
                records.append(_record(job, number, pixels, raw))
    except (OSError, DataError) as error:
        return records, error
    return records, None


def _read(job: Job, split: str, index: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        pixels, raw = job.source.read(split, index, job.shape[2])
    except DataError:
        raise
    except OSError as error:
        raise storage_error(error, error.filename or name, "read", "fix this and run the same command again") from error
    except Exception as error:
        raise DataError(f"cannot read {name} (item {index} of {split!r}): {type(error).__name__}: {error}; fix the source") from error
    raw = np.asarray(raw, dtype=np.float64)
    if pixels.dtype != np.uint8 or pixels.shape != job.shape[1:]:
        raise DataError(f"{name} gave images of {pixels.dtype} {pixels.shape}, not uint8 {job.shape[1:]}: fix the source")
    if raw.shape != (job.shape[1], job.raw_width):
        raise DataError(f"{name} gave latents of shape {raw.shape}, not {(job.shape[1], job.raw_width)}: fix the source")
    if not np.isfinite(raw).all():
        view = int(np.flatnonzero(~np.isfinite(raw).all(axis=1))[0])
        raise DataError(f"{name}: the latents of view {view} are not finite; fix the source")
    return np.ascontiguousarray(pixels), raw


def _record(job: Job, number: int, pixels: np.ndarray, raw: np.ndarray) -> Any:
    """The journal record of an item."""
    record = np.zeros(1, record_type(job.shape, job.raw_width))[0]
    record["item"], record["crc32"], record["raw"] = number, zlib.crc32(pixels.data), raw
    record["sums"], record["squares"] = channel_sums(pixels)
    record["record_crc32"] = zlib.crc32(record.tobytes()[:-4])
    return record
