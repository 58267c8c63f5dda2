"""A checkpoint's file: whether it is whole, checked before anything in it is read as a pickle or takes memory.

The archives that ``torch.save`` writes hold a CRC-32 of each record, which ``torch.load`` does not check: a flipped bit in a weight loads silently.
Here every record is compared with its checksum. That reads the file once more, at about 0.5 s per GB, next to the 0.9 to 3 s that loading one takes
(warm and cold, one core).
"""

from __future__ import annotations

import errno
import pickle
import re
import struct
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from contextssl.errors import CheckpointError, DamagedCheckpointError, memory_shortage
from contextssl.system.files import readable_bytes, storage_error, too_large
from contextssl.system.zip_directory import listed_members

# How far the records of an archive may exceed the file: weights hardly shrink when they are compressed.
MOST_INFLATION = 8
SLACK = 1 << 24
ZIP = b"PK\x03\x04"
# Records of an archive at most: a tensor each. Of the plain values in a checkpoint the bytes at most, which take PyTorch
# up to a second for each MiB.
MOST_RECORDS, PICKLE_BYTES = 200_000, 8 * 2**20
# What PyTorch's own reader of plain values calls by name, with numbers of the file's own: memory of any size. No checkpoint needs it.
TAKES_MEMORY = re.compile(rb"c((?:__builtin__|builtins)\nbytearray|torch(?:\.cuda)?\n\w*Tensor|torch\.storage\n(?:Un)?[Tt]ypedStorage)\n")
# What PyTorch raises for a damaged file, and not for other errors.
DAMAGE = (EOFError, LookupError, ValueError, AttributeError, TypeError, AssertionError, RecursionError, struct.error)
SIGNS_OF_DAMAGE = ("PytorchStreamReader", "unexpected EOF", "corrupt", "nvalid magic number", "storage", "out of bounds", "nvalid header")


def read_checked(path: Path) -> Any:
    """The content of a checkpoint file, tensors on the CPU and plain values, once its checksums were found right.

    Archives written without checksums (``torch.serialization.set_crc32_options(False)``) and the format of PyTorch before 1.6 have none.

    Raises CheckpointError for a file that is missing, damaged, no checkpoint, that declares far more than it holds, or a pickle that would run code
    (which is not executed); and for what the operating system refuses, by its own reason.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"no checkpoint at {path}: check the path")
        check_archive(path)
        _check_older(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        # A damaged file may ask for a position outside of it.
        raise _damaged(path) if error.errno == errno.EINVAL else CheckpointError(str(storage_error(error, path, "read"))) from error
    except pickle.UnpicklingError as error:
        if match := re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path} carries code or objects ({match[1]}), which is never executed: save it again as a plain state dict of tensors"
            ) from None
        raise _damaged(path, "nothing in it was executed") from error
    except CheckpointError:
        raise
    except DAMAGE as error:
        raise _damaged(path) from error
    except MemoryError as error:
        raise CheckpointError(str(too_large(path))) from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in SIGNS_OF_DAMAGE):
            raise _damaged(path) from error
        raise CheckpointError(f"cannot read {path}: {str(error).splitlines()[0]}") from error


def beside(path: Path) -> list[Path]:
    """The other checkpoints in the folder of one, by their names; hidden files are what a killed process was writing."""
    return sorted(other for other in path.parent.glob("*.ckpt") if other != path and not other.name.startswith("."))


def _damaged(path: Path, what: str = "truncated?") -> DamagedCheckpointError:
    others = ", ".join(other.stem for other in beside(path))
    return DamagedCheckpointError(
        f"{path} is damaged or no checkpoint ({what}): copy it again or use an earlier one{f' (beside it: {others})' if others else ''}"
    )


def check_archive(path: Path) -> None:
    """Raises DamagedCheckpointError for an archive whose records are not what their checksums say; CheckpointError for one whose records are together
    far larger than the file.
    """
    with path.open("rb") as file:
        if file.read(len(ZIP)) != ZIP:
            return
    size = path.stat().st_size
    try:
        if (count := listed_members(path)) > MOST_RECORDS:
            raise CheckpointError(
                f"{path} lists some {count:,} records, more than the {MOST_RECORDS:,} that are read: it is no checkpoint of a model"
            )
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            declared = sum(record.file_size for record in records)
            if declared > MOST_INFLATION * size + SLACK:
                raise CheckpointError(
                    f"{path} holds {readable_bytes(size)} but declares records of {readable_bytes(declared)}: it is damaged or made to exhaust "
                    "memory; copy it again or use an earlier one"
                )
            if any(record.CRC for record in records) and (bad := archive.testzip()) is not None:
                raise _damaged(path, f"the checksum of its record {bad} is wrong")
            for record in records:
                if record.filename.endswith(".pkl"):
                    _check_values(path, archive, record)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, UnicodeDecodeError, RuntimeError) as error:
        if memory_shortage(error) is not None:
            # PyTorch raises it wherever the process is when one that draws batches was killed.
            raise
        raise _damaged(path) from error


def is_whole(path: Path) -> bool:
    """Whether a file is an archive with checksums, and they are right."""
    with suppress(CheckpointError, OSError):
        check_archive(path)
        return zipfile.is_zipfile(path)
    return False


def _check_values(path: Path, archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> None:
    """Raises CheckpointError for plain values that are too many, or ask for memory by themselves."""
    if record.file_size > PICKLE_BYTES:
        raise CheckpointError(
            f"{path} holds {readable_bytes(record.file_size)} of plain values, more than the {readable_bytes(PICKLE_BYTES)} that are read: it is "
            "damaged or made to exhaust memory; use an earlier one"
        )
    if not record.CRC:
        del record.CRC  # without checksums none is compared
    _refuse_memory(path, archive.read(record))


def _refuse_memory(path: Path, values: bytes) -> None:
    if match := TAKES_MEMORY.search(values):
        raise CheckpointError(
            f"{path} carries code or objects ({match[1].decode().replace(chr(10), '.')}), which is never executed: save it again as a plain state "
            "dict of tensors"
        )


def _check_older(path: Path) -> None:
    """Of the format of PyTorch before 1.6, whose plain values come first. Raises CheckpointError where they ask for memory by themselves."""
    with path.open("rb") as file:
        start = file.read(PICKLE_BYTES)
    if not start.startswith(ZIP):
        _refuse_memory(path, start)
