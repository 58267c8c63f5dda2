"""Arrays on disk, keyed by what they were made from: a stale or damaged one is recomputed, never used."""

from __future__ import annotations

import inspect
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, reduce
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contextssl.digest import digest_of, digest_of_bytes
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.files import NO_ARRAY, atomic_path
from contextssl.version import __version__

CHUNK_BYTES = 1 << 24
LIMIT_BYTES = 32 << 30
# Libraries whose version may change views or the outputs of frozen models.
LIBRARIES = ("torch", "torchvision", "timm", "kornia", "numpy", "pillow", "trimesh", "embreex")
KNOWN = ("contextssl", "torch", "torchvision", "timm", "kornia", "builtins", "numpy")
# Parts of the package that change no view and no embedding.
NOT_COMPUTING = ("report", "training", "config", "records")


@dataclass
class ArrayCache:
    """A folder of ``NAME-KEY.npy`` with ``NAME-KEY.json`` next to each, which says what the array was made from, and its checksum.

    Where all arrays together grow beyond the limit, those that were not read for longest are removed; one that is larger than the limit by
    itself is not kept.

    Args:
        folder: made where it is missing; None keeps the arrays in memory, for as long as the cache lives.
        limit: in bytes.
    """

    folder: Path | None
    limit: int = LIMIT_BYTES
    hits: int = 0
    made: int = 0
    _trusted: set[str] = field(default_factory=set)
    _memory: dict[str, Tensor] = field(default_factory=dict)

    def get(self, name: str, made_from: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """The array of that name made from just these plain values, (n, d) float32; memory-mapped and not to be written to.

        ``make`` is called where there is none, or it is damaged.
        """
        plain = json.loads(json.dumps(made_from, sort_keys=True))
        stem = f"{name}-{digest_of(made_from)[:12]}"
        if self.folder is None:
            return self._in_memory(stem, make)
        path, about = self.folder / f"{stem}.npy", self.folder / f"{stem}.json"
        found = _read(path, about, plain, stem in self._trusted)
        if found is not None:
            self.hits += 1
            self._trusted.add(stem)
            _note_use(about)
            return found
        array = make().contiguous()
        self.made += 1
        values = array.numpy()
        if values.nbytes > self.limit:
            return array
        self._make_room(values.nbytes)
        with atomic_path(path) as temporary:
            np.save(temporary, values, allow_pickle=False)
        write_digested(about, {"made_from": plain, "shape": [*values.shape], "crc32": _checksum(values)})
        _note_use(about)
        self._trusted.add(stem)
        return array

    def there(self, name: str, made_from: Mapping[str, Any]) -> Tensor | None:
        """The array of that name made from just these plain values, by whichever process; None where it is not there, or not yet whole."""
        if self.folder is None:
            return None
        stem = f"{name}-{digest_of(made_from)[:12]}"
        plain = json.loads(json.dumps(made_from, sort_keys=True))
        return _read(self.folder / f"{stem}.npy", self.folder / f"{stem}.json", plain, trusted=False)

    def _in_memory(self, stem: str, make: Callable[[], Tensor]) -> Tensor:
        # The most recently used is last.
        array = self._memory.pop(stem) if stem in self._memory else make()
        self._memory[stem] = array
        held = sum(each.nbytes for each in self._memory.values())
        for other in [each for each in self._memory if each != stem]:
            if held <= self.limit:
                break
            held -= self._memory.pop(other).nbytes
        return array

    def _make_room(self, size: int) -> None:
        """Remove the least recently read arrays until one of that many bytes fits."""
        assert self.folder is not None
        found = []
        for array in self.folder.glob("*.npy"):
            about = array.with_suffix(".json")
            with suppress(OSError):
                found.append((about.stat().st_atime_ns if about.exists() else 0, array, about, array.stat().st_size))
        held = sum(size for *_, size in found)
        for _, array, about, freed in sorted(found, key=lambda each: each[0]):
            if held + size <= self.limit:
                return
            for path in (about, array):
                with suppress(OSError):
                    path.unlink()
            held -= freed


def _note_use(path: Path) -> None:
    """Set the access time, which many disks do not keep; the modification time stays."""
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _read(path: Path, about: Path, made_from: dict[str, Any], trusted: bool) -> Tensor | None:
    """The array, where it is there, was made from that, and is whole (its checksum is looked at once in a process)."""
    try:
        if not path.is_file():
            return None
        described = read_digested(about, "remove it")
        if described["made_from"] != made_from:
            return None
        # A private mapping: writing to it would not reach the file. Torch has no read-only tensors.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if array.dtype != np.float32 or array.ndim != 2 or list(array.shape) != described.get("shape", [*array.shape]):
            return None
        if not trusted and _checksum(array) != described["crc32"]:
            return None
    except (OSError, KeyError, TypeError, OverflowError, MemoryError, *NO_ARRAY):
        return None
    return torch.from_numpy(array)


def _checksum(array: np.ndarray) -> int:
    """CRC-32 of the bytes, a piece at a time."""
    flat = array.reshape(-1)
    step = CHUNK_BYTES // array.itemsize
    pieces = (np.ascontiguousarray(flat[start : start + step]).data for start in range(0, flat.size, step))
    return reduce(lambda checksum, piece: zlib.crc32(piece, checksum), pieces, 0)


@cache
def code_fingerprint(package: Path = Path(__file__).parent.parent) -> str:
    """The version, and a digest of every module that is not known to change no view and no frozen model's output."""
    parts = {path: path.relative_to(package) for path in sorted(package.rglob("*.py"))}
    computing = (part.as_posix().encode() + path.read_bytes() for path, part in parts.items() if part.parts[0] not in NOT_COMPUTING)
    return f"{__version__}-{digest_of_bytes(computing, digits=12)}"


def own_code(parts: Iterable[object]) -> str | None:
    """A digest of the source (else the name) of every part's class that is neither this package's nor a library's; None where there is none."""
    sources = {}
    for kind in {type(part) for part in parts}:
        if kind.__module__.split(".")[0] in KNOWN:
            continue
        name = f"{kind.__module__}.{kind.__qualname__}"
        try:
            sources[name] = inspect.getsource(kind)
        except (OSError, TypeError):
            sources[name] = name
    return digest_of(sources) if sources else None


@cache
def library_versions() -> dict[str, str]:
    """Of each of :data:`LIBRARIES` that is installed."""
    found = {}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
