"""Chosen points of a command: its file operations, in their order, as Python's audit events report them.

Between two of them lies every state that its files can be in. A hook is called in the process before the command begins
(:mod:`faults.warm`).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Those that change files, and the argument that is a path; opening counts where it is for writing.
CHANGES = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.truncate": 0, "os.link": 1, "os.symlink": 1}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def operation(event: str, arguments: tuple[Any, ...], folder: str) -> str | None:
    """What a file operation does to which path within ``folder``; None for any other event."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & WRITING:
            return None
    elif event in CHANGES:
        path = arguments[CHANGES[event]]
    else:
        return None
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    whole = os.path.join(os.getcwd(), os.fsdecode(path))  # noqa: PTH109, PTH118 (no event may come of it)
    return f"{event} {whole[len(folder) + 1 :]}" if whole.startswith(folder + os.sep) else None


def _each(folder: str, do: Callable[[int, str], None]) -> None:
    """Call ``do`` with the number, from 0, and the text of each operation of this process, before it is done."""
    owner, count = os.getpid(), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if os.getpid() == owner and (what := operation(event, arguments, folder)) is not None:
            count += 1
            do(count - 1, what)

    sys.addaudithook(hook)


def record(folder: str, to: str) -> None:
    """Write what is done, a line each, to a file outside of the folder."""
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    _each(folder, lambda _, what: void(os.write(descriptor, f"{what}\n".encode())))


def void(_: object) -> None:
    return None


def signal_at(folder: str, number: int, signal: int, to: str) -> None:
    """Send this process a signal before that operation, and write when to a file."""

    def do(count: int, what: str) -> None:
        if count == number:
            descriptor = os.open(to, os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(descriptor, what.encode())
            os.close(descriptor)
            os.kill(os.getpid(), signal)

    _each(folder, do)


def fail_from(folder: str, number: int, code: int) -> None:
    """From that operation on the system refuses to open, make or rename anything, for one reason, as a disk does that is read-only or gone."""

    def do(count: int, what: str) -> None:
        if count >= number and not what.startswith("os.remove"):
            raise OSError(code, os.strerror(code), str(Path(folder, what.partition(" ")[2])))

    _each(folder, do)


GONE, READ_ONLY, FULL = errno.ENODEV, errno.EROFS, errno.ENOSPC
