"""What is printed: in any encoding, as wide as its numbers need, with warnings in one line; what was set for that is put back."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from contextssl.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Columns of a terminal that would hold anything.
WIDEST = 10_000


@contextmanager
def plain_output() -> Iterator[None]:
    """Warnings take one line, and a letter that the output's encoding lacks is replaced; both only as long as this lasts."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        if stream.errors == "strict":
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=errors)


def warn(message: str) -> None:
    """A warning of the command itself; of several processes that torchrun started, the first says it."""
    if os.environ.get("RANK", "0") == "0":
        print(f"contextssl: warning: {one_line(message)}", file=sys.stderr)


def show(what: RenderableType, console: Console | None = None) -> None:
    """Prints a table. Where the terminal is narrower than its numbers, lines run over the edge: no number is cut, or broken in two."""
    from rich.console import Console

    console = console or Console(highlight=False)
    size = console.measure(what, options=console.options.update(width=WIDEST, max_width=WIDEST))
    if size.minimum > console.width or any("…" in part.text or "..." in part.text for part in console.render(what)):
        # A console's own width is the most that it prints in.
        console = Console(file=console.file, force_terminal=console.is_terminal, width=max(console.width, size.maximum), highlight=False)
    console.print(what)


def _show_warning(message: Warning | str, *where: Any, **rest: Any) -> None:
    print(f"contextssl: warning: {one_line(str(message))}", file=sys.stderr)
