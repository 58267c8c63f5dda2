"""Files that PyTorch writes by itself: its writer reports what the operating system refused as a RuntimeError of its own."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# In PyTorch's error for a failed write: places in its own code, and positions in the file.
FAILED_WRITE = ("inline_container", "PytorchStreamWriter", "unexpected pos", "iostream", "write")


@contextmanager
def torch_writing(path: Path | str) -> Iterator[None]:
    """Around a write to ``path``: what PyTorch raises where it fails becomes the OSError of a full disk, as which it is nearly always meant."""
    try:
        yield
    except RuntimeError as error:
        if any(sign in str(error) for sign in FAILED_WRITE):
            raise OSError(errno.ENOSPC, "it could not be written whole, the disk seems to be full", str(path)) from error
        raise
