"""safetensors files, read whole: what a memory-mapped file holds would change, or end the process, where another program writes into it.

In a file's metadata is a SHA-256 of all the rest of it: of the metadata, and of each tensor's name, kind, shape and bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.system.files import opened_regular, parse_json, read_regular, readable_bytes, storage_error, too_large, write_bytes

# Before the header its length, in so many bytes.
LENGTH = 8
# Of a header at most: it names tensors and holds plain values.
HEADER_BYTES = 16 * 2**20
METADATA, CONTENT = "__metadata__", "contextssl.content"


def write_tensors(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors, contiguous and on the CPU, with metadata and their digest, whole or not at all. Raises DataError as
    :func:`~contextssl.system.files.atomic_path`.
    """
    write_bytes(path, save(dict(tensors), {**metadata, CONTENT: _digest(metadata, tensors)}))


def read_tensors(path: Path, needed: str | None = None, what: str = "") -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors, on the CPU. A file that another program or version 0.1 wrote has no digest of all of it.

    Args:
        needed: the entry of the metadata that a file of the kind that is asked for has; ``what`` is said of one without.

    Raises:
        DataError: for a file that is missing, damaged, of another kind, or declares more tensors than it has bytes; the header is looked at before
            memory is taken for the rest.
    """
    try:
        header, size = _header(path)
        metadata = header.get(METADATA, {})
        if needed is not None and needed not in metadata:
            raise DataError(f"{path} {what}")
        ends = [each["data_offsets"][1] for name, each in header.items() if name != METADATA]
        if max(ends, default=0) != size:
            raise _damaged(path, f"its tensors end at byte {max(ends, default=0):,} of {size:,}")
        tensors = load(read_regular(path))
    except OSError as error:
        raise storage_error(error, path, "read") from error
    except MemoryError as error:
        raise too_large(path) from error
    except DataError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    digest, rest = metadata.get(CONTENT), {name: each for name, each in metadata.items() if name != CONTENT}
    if digest is not None and digest != _digest(rest, tensors):
        raise DataError(f"{path} is damaged: its digest is not that of its content; get or write it again")
    return metadata, tensors


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes of tensors come after it. Raises DataError where it is longer than the file, or no header."""
    with opened_regular(path) as (file, size):
        length = int.from_bytes(file.read(LENGTH), "little")
        rest = size - LENGTH - length
        if rest < 0 or length > HEADER_BYTES:
            raise _damaged(path, f"it declares a header of {readable_bytes(length)}, and has {readable_bytes(size)}")
        header = parse_json(file.read(length), path)
    if not isinstance(header, dict) or not isinstance(header.get(METADATA, {}), dict):
        raise _damaged(path, "its header is no mapping")
    return header, rest


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"{path} is damaged, or no safetensors file ({what}): get or write it again")


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
