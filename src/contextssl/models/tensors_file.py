"""safetensors files, read whole: what a memory-mapped file holds would change, or end the process, where another program writes into it.

In a file's metadata is a SHA-256 of all the rest of it: of the metadata, and of each tensor's name, kind, shape and bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.system.files import read_regular, storage_error, write_bytes

# Before the header its length, in so many bytes.
LENGTH = 8
CONTENT = "contextssl.content"


def write_tensors(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors, contiguous and on the CPU, with metadata and their digest, whole or not at all. Raises DataError as
    :func:`~contextssl.system.files.atomic_path`.
    """
    write_bytes(path, save(dict(tensors), {**metadata, CONTENT: _digest(metadata, tensors)}))


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors, on the CPU. Raises DataError for a file that is missing, damaged, or of another kind. A file that another program or
    version 0.1 wrote has no digest of all of it.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    try:
        tensors = load(data)
        header = json.loads(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])
    except (SafetensorError, ValueError, RecursionError, KeyError) as error:
        raise DataError(f"{path} is damaged, or no safetensors file ({str(error).splitlines()[0]}): get or write it again") from error
    metadata = header.get("__metadata__", {})
    digest, rest = metadata.get(CONTENT), {name: each for name, each in metadata.items() if name != CONTENT}
    if digest is not None and digest != _digest(rest, tensors):
        raise DataError(f"{path} is damaged: its digest is not that of its content; get or write it again")
    return metadata, tensors


def bytes_of(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor on the CPU, not copied."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    def parts() -> Iterator[str | memoryview]:
        yield json.dumps(metadata, sort_keys=True)
        for name, tensor in sorted(tensors.items()):
            yield json.dumps([name, str(tensor.dtype), list(tensor.shape)])
            yield bytes_of(tensor)

    return digest_of_bytes(parts(), digits=64)
