"""Writing files that are either whole or absent, and reading them back with one clear error where they are not what they claim to be.

Everything is written under a temporary name in the same folder, flushed to the disk, and renamed: a run that is killed leaves the old file
or the new one, never half of one. An :class:`OSError` on the way (a full disk, a quota, no permission) becomes one
:class:`~contextssl.errors.DataError` that names the file and the fix.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import shutil
import stat
import tokenize
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from contextssl.errors import DataError, StorageError
from contextssl.system.abandoned import in_use, remove_abandoned

# What is read of one file of plain values, and of one array, at most: what a hostile one could make of more would not fit into memory.
JSON_BYTES, ARRAY_BYTES = 96 * 2**20, 2**29
# Lists and mappings in a file of plain values at most: empty ones take some thirty times their place in the file.
MOST_CONTAINERS = 2_000_000
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What numpy raises for a damaged file, whose header is read as a text of Python.
NO_ARRAY = (ValueError, EOFError, SyntaxError, tokenize.TokenError, TypeError, OverflowError, RecursionError)
ADVICE = {
    **dict.fromkeys(FULL_DISK, "free some space (or raise the quota) on that disk and run the same command again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a folder that you may write to, or change its permissions"),
    errno.ENOENT: "check the path",
}


@contextmanager
def opened_regular(path: Path | str, most: int | None = None) -> Iterator[tuple[IO[bytes], int]]:
    """A file to be read, and its size. A pipe, a socket or a device is refused before it is read, for such a read may never end.
    Raises DataError for what is no file, or has more than ``most`` bytes; OSError where the system refuses it.
    """
    # Opening a pipe waits for its other end by default; of a file this changes nothing.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            kinds = {stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
            raise DataError(f"{path} is {kinds.get(stat.S_IFMT(status.st_mode), 'a device')}, not a file: remove it")
        if most is not None and status.st_size > most:
            raise DataError(f"{path} has {readable_bytes(status.st_size)}, more than the {readable_bytes(most)} that are read: remove it")
        yield file, status.st_size


def read_regular(path: Path | str, most: int | None = None) -> bytes:
    """The bytes of a file. Raises as :func:`opened_regular`."""
    with opened_regular(path, most) as (file, _):
        return file.read()


def storage_error(error: OSError, path: Path | str, doing: str, fix: str = "", needs: int | None = None) -> StorageError:
    """One clear error for what the operating system refused: ``doing``, such as ``"read"``, a path.

    ``fix`` is what to do, in place of the usual advice for this kind of error; ``needs`` is how many bytes a file that does not fit on a disk has.
    """
    full = error.errno in FULL_DISK
    what = f"cannot {doing} {path}: {error.strerror or error}{_room(error, Path(path), needs) if full else ''}"
    kept = "" if doing.startswith("read") else "; what was saved before is kept"
    return StorageError.of(what, fix or f"{advice(error)}{kept}", full)


def too_large(path: Path | str) -> DataError:
    """One clear error for a file that there is no memory to read, though it declares no more than it has."""
    size = ""
    with suppress(OSError):
        size = f" ({readable_bytes(Path(path).stat().st_size)})"
    return DataError(
        f"{path}{size} does not fit into memory: free some memory, or use another machine, and give the same command again; what was saved is whole"
    )


def advice(error: OSError) -> str:
    """The usual advice for what the operating system refused."""
    return ADVICE.get(error.errno or 0, "check the path and the disk, then run the same command again")


def _room(error: OSError, path: Path, needs: int | None) -> str:
    """How much a file needs and how much room there is, in brackets, as far as it is known: a quota or a limit says nothing of the disk."""
    known = [] if needs is None else [f"{readable_bytes(needs)} needed"]
    if error.errno == errno.ENOSPC:
        with suppress(OSError):
            there = next(folder for folder in path.absolute().parents if folder.is_dir())
            known.append(f"{readable_bytes(shutil.disk_usage(there).free)} free")
    return f" ({', '.join(known)})" if known else ""


def sync_folder(folder: Path) -> None:
    """Makes renames in ``folder`` durable, where the file system can (not on Windows)."""
    with suppress(OSError):
        _flush(folder, os.O_RDONLY)


def _flush(path: Path, access: int) -> None:
    descriptor = os.open(path, access)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(path: Path | str, needs: int | None = None) -> Iterator[Path]:
    """A temporary file next to ``path``, empty, to write; on leaving it is flushed and renamed to ``path``, on an error it is removed. Those that
    killed processes have left of ``path`` are removed too.

    The folder is made where it is missing. The temporary name starts with a dot and ends with the same suffix, for libraries that go by it.
    Raises DataError where the disk is full, or the folder cannot be written to; ``needs``, in bytes, is then said.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with in_use(temporary):
            yield temporary
            _flush(temporary, os.O_RDWR)
            temporary.replace(path)
        sync_folder(path.parent)
        remove_abandoned(path)
    except OSError as error:
        raise storage_error(error, path, "write", needs=needs) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str, temporary: Path | str) -> Iterator[Path]:
    """An empty ``temporary`` folder (on the same disk) to fill; on leaving it is renamed to ``path``, replacing a folder that is there; on an error
    it is removed. Raises DataError where the disk is full, or the folder cannot be written to.
    """
    path, temporary = Path(path), Path(temporary)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path, "write") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Writes ``data`` to ``path``, whole or not at all. Raises DataError, see :func:`atomic_path`."""
    with atomic_path(path, len(data)) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Writes ``text`` as UTF-8, whole or not at all. Raises DataError, see :func:`atomic_path`."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Writes plain values as valid JSON (so no NaN or infinity: those are a ValueError), whole or not at all.
    Raises DataError, see :func:`atomic_path`.
    """
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str, most: int = JSON_BYTES) -> Any:
    """The plain values of a JSON file. Raises DataError where it is missing, no file, of more than ``most`` bytes, or as :func:`parse_json`."""
    try:
        return parse_json(read_regular(path, most), path)
    except OSError as error:
        raise storage_error(error, path, "read") from error


def parse_json(data: bytes | str, path: Path | str) -> Any:
    """The plain values of a text in JSON; ``path`` is what errors name. Raises DataError where it is not valid JSON, nested more deeply than Python
    goes, or holds more lists and mappings than anything that is written here.
    """
    containers = data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")
    if containers > MOST_CONTAINERS:
        raise DataError(
            f"{path} holds more than {MOST_CONTAINERS:,} lists and mappings: it is damaged, or made to exhaust memory; remove it"
        )
    try:
        return json.loads(data)
    except RecursionError as error:
        raise DataError(f"{path} is not valid JSON (nested too deeply): it is damaged; remove it and make it again") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}): it is damaged; remove it and make it again") from error


def array_bytes(array: np.ndarray) -> bytes:
    """An array as the bytes of an ``.npy`` file, C-ordered. Python objects are refused with a ValueError."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def write_array(path: Path | str, array: np.ndarray) -> None:
    """Writes an ``.npy`` file, whole or not at all. Raises DataError, see :func:`atomic_path`."""
    write_bytes(path, array_bytes(array))


def read_array(path: Path | str) -> np.ndarray:
    """The array of an ``.npy`` file. A file that holds pickled Python objects is refused: reading one runs whatever code is in it.
    Raises DataError where it is missing, no file, cut short, larger than ``ARRAY_BYTES``, a pickle or another kind of file.
    """
    try:
        data = read_regular(path, ARRAY_BYTES)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    return parse_array(data, path)


def parse_array(data: bytes, path: Path | str) -> np.ndarray:
    """The array in the bytes of an ``.npy`` file; ``path`` is what errors name. Raises DataError as :func:`read_array`."""
    if not data.startswith(b"\x93NUMPY"):
        kind = "empty" if not data else "a pickle" if data[0] == 0x80 else "another kind of file"
        raise DataError(f"{path} is not an .npy file but {kind}: write it with numpy.save, from an array of numbers or strings")
    try:
        _check_declared(data, path)
        return np.load(io.BytesIO(data), allow_pickle=False)
    except DataError:
        raise
    except MemoryError as error:
        raise too_large(path) from error
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} holds pickled Python objects, which can run code and so are not read: "
                "if you trust the file, load it yourself and save it again as an array of numbers or strings"
            ) from error
        raise DataError(f"{path} is damaged or cut short ({str(error).splitlines()[0]}): copy or write it again") from error
    except NO_ARRAY as error:
        raise DataError(f"{path} is damaged or cut short: copy or write it again") from error


def _check_declared(data: bytes, path: Path | str) -> None:
    """Raises DataError for an array that says it is larger than its file, before memory is taken for it; ValueError for a damaged header."""
    opened = io.BytesIO(data)
    version = np.lib.format.read_magic(opened)
    # Of version 3 only the encoding of the names of fields differs.
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(opened)
    count = math.prod(shape)
    if not kind.hasobject and (count < 0 or count * kind.itemsize > len(data) - opened.tell() or (count and not kind.itemsize)):
        raise DataError(
            f"{path} is damaged or cut short: it declares {kind} of shape {shape}, and holds {readable_bytes(len(data) - opened.tell())}; "
            "copy or write it again"
        )


def readable_bytes(count: int) -> str:
    """``1536`` as ``"1.5 KiB"``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
