"""safetensors files, read whole: what a memory-mapped file holds would change, or end the process, where another program writes into it."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from contextssl.errors import DataError
from contextssl.system.files import read_regular, storage_error

# Before the header its length, in so many bytes.
LENGTH = 8


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors, on the CPU. Raises DataError for a file that is missing, damaged, or of another kind."""
    try:
        data = read_regular(path)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    try:
        tensors = load(data)
        header = json.loads(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])
    except (SafetensorError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged, or no safetensors file ({str(error).splitlines()[0]}): get or write it again") from error
    return header.get("__metadata__", {}), tensors
