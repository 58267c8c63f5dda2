"""A hostile file: how it is made, and the words of the command that it is given to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

# Made by a payload that was run; no such file may appear.
MARK = "EXECUTED"
# The name of a module beside a hostile file, which nobody but the file names.
MODULE = "hostile_module"

# From a folder of its own and a generator to the words of a command, or of one of the doors of hostile_doors.
Maker: TypeAlias = Callable[[Path, Random], Sequence[str]]
# What is right: a refusal, a reading that does no harm, or either.
Wanted: TypeAlias = Literal["refused", "read", "either"]


@dataclass(frozen=True)
class Case:
    """
    Args:
        kind: the parser that it goes for, such as ``"checkpoint"``.
        name: what is hostile about it; unique within its kind.
        make: writes the file.
    """

    kind: str
    name: str
    make: Maker
    wanted: Wanted = "refused"


def write_module(folder: Path) -> None:
    """A module that leaves a mark when it is imported, whatever is then asked of it."""
    mark = folder / MARK
    (folder / f"{MODULE}.py").write_text(
        f"open({str(mark)!r}, 'w').close()\ndef __getattr__(name):\n    open({str(mark)!r}, 'w').close()\n    raise AttributeError(name)\n"
    )
