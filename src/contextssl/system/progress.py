"""Progress: a bar on a terminal or in a notebook, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from contextssl.system.notebook_bar import NotebookBar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

# Seconds between two plain lines, and between two updates of costly words on a terminal or of a notebook's bar.
LINE_SECONDS, BAR_SECONDS = 10.0, 1.0


class Meter:
    """Counts what is done and shows it: a bar on a terminal or in a notebook, a plain line every so many seconds elsewhere, nothing where ``show`` is
    false.

    Args:
        unit: name of what is counted in the plural, such as ``"images"``.
        done: how many were done before.
        seconds: between two plain lines.
        line: text of a plain line; default: the count, the rate and the seconds left.
        console: default: the error stream.
    """

    def __init__(
        self,
        title: str,
        total: int,
        unit: str,
        done: int = 0,
        show: bool = True,
        *,
        seconds: float | None = None,
        line: Callable[[], str] | None = None,
        console: Console | None = None,
    ) -> None:
        from rich.console import Console

        self.title, self.total, self.unit, self.done, self.show = title, total, unit, done, show
        self.seconds = LINE_SECONDS if seconds is None else seconds
        self.line = line or self._count
        self.console = console or Console(stderr=True)
        self.bar: Progress | None = None
        self.notebook: NotebookBar | None = None
        self.words = self._rate

    def __enter__(self) -> Meter:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self.began = self.shown = time.monotonic()
        self.at_start = self.done
        if self.show and self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[words]}"))
            self.bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self.console)
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=self.total, completed=self.done, words="")
        elif self.show and self.console.is_jupyter:
            self.notebook = NotebookBar(self.total)
        return self

    @property
    def rate(self) -> float:
        """Units per second since the start."""
        return (self.done - self.at_start) / max(time.monotonic() - self.began, 1e-9)

    @property
    def seconds_left(self) -> float:
        return (self.total - self.done) / self.rate if self.rate else 0.0

    def advance(self, units: int, words: Callable[[], str] | None = None) -> None:
        """So many more are done. ``words`` are shown next to the bar, called once per second; default: the rate."""
        self.done += units
        if not self.show:
            return
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, description=self.title)
            if words is None or now - self.shown > BAR_SECONDS:
                self.shown = now
                self.bar.update(self.task, words=self._rate() if words is None else words())
        elif self.notebook is not None:
            self.words = words or self._rate
            if now - self.shown > BAR_SECONDS:
                self.shown = now
                self.notebook.show(self.title, self.done, self.words())
        elif now - self.shown > self.seconds:
            self.shown = now
            self._print()

    def stop(self) -> None:
        """Takes the bar off the terminal's last line; a notebook's stays, as it stands now."""
        with suppress(Exception):
            if self.bar is not None:
                self.bar.stop()
            if self.notebook is not None:
                self.notebook.show(self.title, self.done, self.words())

    def _rate(self) -> str:
        return f"{self.rate:,.0f} {self.unit}/s"

    def _count(self) -> str:
        done = f"{self.done:,} of {self.total:,} {self.unit} ({self.done / max(self.total, 1):.0%})"
        return f"{self.title}: {done}, {self._rate()}, {self.seconds_left:,.0f} s left"

    def _print(self) -> None:
        # The terminal or pipe may be closed, which must not end the work.
        with suppress(OSError):
            self.console.print(self.line(), highlight=False, soft_wrap=True, markup=False)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self.bar is None and self.notebook is None and self.show and self.done > self.at_start:
            self._print()


def say(what: str, *, lasting: bool) -> None:
    """What is being done now, where it cannot be counted: one line that is written over on a terminal; elsewhere a line where it is ``lasting``."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what} …", end="", file=sys.stderr, flush=True)
    elif lasting:
        print(f"{what} …", file=sys.stderr, flush=True)
