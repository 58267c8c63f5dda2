"""safetensors files, read whole: what a memory-mapped file holds would change, or end the process, where another program writes into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from contextssl.errors import DataError
from contextssl.system.files import opened_regular, parse_json, read_regular, readable_bytes, storage_error

# Before the header its length, in so many bytes.
LENGTH = 8
# Of a header at most: it names tensors and holds plain values.
HEADER_BYTES = 16 * 2**20
METADATA = "__metadata__"


def read_tensors(path: Path, needed: str, what: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors, on the CPU.

    Args:
        needed: the entry of the metadata that says that the file is of ours; ``what`` it then holds, for the error of one without.

    Raises:
        DataError: for a file that is missing, damaged, of another kind, or declares more tensors than it has bytes; the header is looked at before
            memory is taken for the rest.
    """
    try:
        header, size = _header(path)
        if needed not in header.get(METADATA, {}):
            raise DataError(f"{path} {what}")
        ends = [each["data_offsets"][1] for name, each in header.items() if name != METADATA]
        if max(ends, default=0) != size:
            raise _damaged(path, f"its tensors end at byte {max(ends, default=0):,} of {size:,}")
        data = read_regular(path)
        tensors = load(data)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    except MemoryError as error:
        raise DataError(f"{path} does not fit into memory ({readable_bytes(path.stat().st_size)}): free some") from error
    except DataError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    return {str(name): str(value) for name, value in header[METADATA].items()}, tensors


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
