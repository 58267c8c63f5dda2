"""Embeddings that :mod:`contextssl.records.embeddings_file` wrote as ``.npy``, memory-mapped: they may be more than the memory holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.store import FULL_CHECK_BYTES
from contextssl.errors import DataError
from contextssl.system.checksum_file import is_as_written
from contextssl.system.digested_json import read_digested
from contextssl.system.files import JSON_BYTES, NO_ARRAY, read_json, storage_error, too_large

# Its suffix.
NPY = ".npy"
AGAIN = "write it again with contextssl embed"
# Bytes of a name in the file of names, at most on average.
NAME_BYTES = 256


def names_file(out: Path) -> Path:
    """Where the names of an ``.npy`` file's rows are."""
    return out.with_suffix(".names.json")


def about_file(out: Path) -> Path:
    """Where it is what an ``.npy`` file's embeddings depend on."""
    return out.with_suffix(".about.json")


def is_embeddings_file(given: object) -> TypeGuard[str | Path]:
    """Whether that is the path of such a file."""
    return isinstance(given, str | Path) and Path(given).suffix == NPY


@dataclass(frozen=True)
class StoredEmbeddings:
    """Embeddings (n, D) in a file, and the n names of their images.

    Args:
        made_by: what they depend on, as :meth:`~contextssl.models.view_encoder.ViewEncoder.embedding_of` gives it.
    """

    path: Path
    vectors: Float[Tensor, "n D"] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    made_by: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> StoredEmbeddings:
        """Files of at most 256 MiB are compared with their checksum. Raises DataError for a file that is missing, damaged, or not of ``embed``."""
        path = Path(path)
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is no file: give one that contextssl embed wrote")
        try:
            # A private mapping: writing to it would not reach the file. Torch has no read-only tensors.
            array = np.load(path, mmap_mode="c", allow_pickle=False)
            whole = path.stat().st_size > FULL_CHECK_BYTES or is_as_written(path)
        except OSError as error:
            raise storage_error(error, path, "read", AGAIN) from error
        except MemoryError as error:
            raise too_large(path) from error
        except NO_ARRAY as error:
            raise DataError(f"{path} is damaged, or no .npy file of numbers: {AGAIN}") from error
        if not whole:
            raise DataError(f"{path} is damaged (its checksum differs): {AGAIN}")
        if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != 2:
            raise DataError(f"{path} holds no embeddings, (n, D) float32: {AGAIN}")
        names = read_json(names_file(path), max(JSON_BYTES, NAME_BYTES * len(array)))
        if not isinstance(names, list) or len(names) != len(array) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{names_file(path)} does not hold a name of each of the {len(array):,} embeddings of {path}: {AGAIN}")
        return cls(path, torch.from_numpy(array), tuple(names), read_digested(about_file(path), AGAIN))

    def check(self, wanted: Mapping[str, Any]) -> None:
        """Raises DataError where they depend on anything else than that."""
        for name, value in wanted.items():
            if self.made_by.get(name) != value:
                raise DataError(f"{self.path} was made with {_DIFFERENT[name]}: {AGAIN}")


_DIFFERENT = {
    "weights": "another model, or before its weights changed",
    "context": "another context",
    "actions": "actions, which queries do not have",
    "representation": "representation=feature, and neighbours are of embeddings",
}
