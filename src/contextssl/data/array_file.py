"""An ``.npy`` file that is written in place, item by item: its space is claimed first, and what is there is checked when it is mapped."""

from __future__ import annotations

import errno
import io
import math
import os
import shutil
from pathlib import Path
from typing import IO

import numpy as np

from contextssl.errors import DataError
from contextssl.system import files
from contextssl.system.files import NO_ARRAY, opened_regular, readable_bytes, storage_error

AGAIN = "pack it again, or copy the whole folder"


def header_of(kind: str, shape: tuple[int, ...]) -> bytes:
    """The first bytes of a file of numbers of that kind (``"|u1"``, ``"<f2"``), C-ordered."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def claim(file: Path, header: bytes, needed: int) -> bool:
    """Makes the file at its full size, its space taken: a disk that is too small is then an error before the work, not after it.

    Returns whether a file of another size was there: what was noted of its content no longer holds. Raises OSError.
    """
    size = file.stat().st_size if file.is_file() else 0
    fresh = size == 0
    if fresh and shutil.disk_usage(file.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
    try:
        with file.open("w+b" if fresh else "r+b") as opened:
            if hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(opened.fileno(), 0, needed)
                except OSError as error:
                    if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                        raise
            opened.truncate(needed)
            opened.seek(0)
            opened.write(header)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError:
        if fresh:
            file.unlink(missing_ok=True)
        raise
    files.sync_folder(file.parent)
    return size != needed


def write_at(file: IO[bytes], place: int, array: np.ndarray) -> None:
    """Plain writes, not a memory map: a full disk is then an error with a message, where a map would end the process with SIGBUS."""
    file.seek(place)
    data = array.data.cast("B")
    while data:
        data = data[file.write(data) :]


def place_in(file: Path, dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """At which byte the numbers of a file begin. Raises DataError where it cannot be read, is no file, holds others than these, or was cut short."""
    try:
        with opened_regular(file) as (opened, size):
            version = np.lib.format.read_magic(opened)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            found, fortran, kind = reader(opened)
            offset = opened.tell()
    except DataError:
        raise
    except OSError as error:
        raise storage_error(error, file, "read", AGAIN) from error
    except NO_ARRAY as error:
        raise DataError(f"{file} is no .npy file ({str(error).splitlines()[0]}): {AGAIN}") from error
    if found != shape or kind != dtype or fortran:
        raise DataError(f"{file} holds {kind} of shape {found}, not {dtype} of shape {shape}: {AGAIN}")
    needed = offset + math.prod(shape) * dtype.itemsize
    if size != needed:
        raise DataError(f"{file} has {size} bytes, not {needed} ({readable_bytes(needed)}): it was cut short or replaced; {AGAIN}")
    return offset
