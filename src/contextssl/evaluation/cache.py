"""Arrays on disk, keyed by what they were made from: a stale or damaged one is made again, never used."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contextssl.digest import digest_of
from contextssl.files import atomic_path, write_json
from contextssl.version import __version__

CHUNK_BYTES = 1 << 24


@dataclass
class ArrayCache:
    """A folder of ``NAME-KEY.npy`` with ``NAME-KEY.json`` beside each, which says what the array was made from, and its checksum.

    One array a name is kept: writing one removes those of the same name that were made from something else.

    Args:
        folder: made where it is missing; None keeps the arrays in memory, for as long as the cache lives.
    """

    folder: Path | None
    hits: int = 0
    made: int = 0
    _trusted: set[str] = field(default_factory=set)
    _memory: dict[str, tuple[str, Tensor]] = field(default_factory=dict)

    def get(self, name: str, made_from: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """The array of that name made from just that, (n, d) float32; memory-mapped and not to be written to.

        Args:
            made_from: plain values that settle every number of it.
            make: called where there is none, or it is damaged.
        """
        text = json.dumps(made_from, sort_keys=True)
        if self.folder is None:
            if name not in self._memory or self._memory[name][0] != text:
                self._memory[name] = (text, make())
            return self._memory[name][1]
        stem = f"{name}-{digest_of(made_from)[:12]}"
        found = _read(self.folder / f"{stem}.npy", self.folder / f"{stem}.json", json.loads(text), stem in self._trusted)
        if found is not None:
            self.hits += 1
            self._trusted.add(stem)
            return found
        array = make().contiguous()
        for old in self.folder.glob(f"{name}-????????????.*"):
            with suppress(OSError):
                old.unlink()
        values = array.numpy()
        with atomic_path(self.folder / f"{stem}.npy") as temporary:
            np.save(temporary, values, allow_pickle=False)
        write_json(self.folder / f"{stem}.json", {"made_from": json.loads(text), "crc32": _checksum(values)})
        self.made += 1
        self._trusted.add(stem)
        return array


def _read(path: Path, about: Path, made_from: dict[str, Any], trusted: bool) -> Tensor | None:
    """The array, where it is there, was made from that, and is whole (its checksum is looked at once in a process)."""
    try:
        described = json.loads(about.read_text())
        if described["made_from"] != made_from:
            return None
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.dtype != np.float32 or array.ndim != 2 or (not trusted and _checksum(array) != described["crc32"]):
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    # A private mapping: writing to it would not reach the file. Torch knows no read-only tensors.
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def _checksum(array: np.ndarray) -> int:
    """CRC-32 of the bytes, a piece at a time."""
    flat = array.reshape(-1)
    step = CHUNK_BYTES // array.itemsize
    checksum = 0
    for start in range(0, flat.size, step):
        checksum = zlib.crc32(np.ascontiguousarray(flat[start : start + step]).data, checksum)
    return checksum


def weights_fingerprint(model: nn.Module) -> str:
    """16 hexadecimal digits of every weight and buffer, and of the settings that no weight tells (as ``architecture()`` gives them)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    architecture = getattr(model, "architecture", None)
    if callable(architecture):
        digest.update(json.dumps(architecture(), sort_keys=True).encode())
    return digest.hexdigest()[:16]


@cache
def code_fingerprint() -> str:
    """The version, and a digest of the modules that settle what a frozen model gives: models, pairs, factors, contexts."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted([*(package / "models").rglob("*.py"), *(package / name for name in CODE)]):
        digest.update(path.name.encode() + path.read_bytes())
    return f"{__version__}-{digest.hexdigest()[:12]}"


CODE = ("factors.py", "pairs.py", "randomness.py", "evaluation/contexts.py", "evaluation/view_sets.py", "evaluation/embeddings.py")
