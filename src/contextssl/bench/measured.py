"""What a measurement gave: a table to read, and a file with the machine, the versions and the commit."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from contextssl.records.provenance import describe_machine
from contextssl.system.console import show
from contextssl.system.files import write_json

LIBRARIES = ("torch", "torchvision", "lightning", "timm", "numpy")


@dataclass
class Measured:
    """Numbers of one measurement.

    Args:
        title: what was measured.
        settings: what it was measured at.
        rows: of the table, each a number or a text by column.
        notes: sentences below it.
        numbers: all that was measured, plain values.
    """

    title: str
    settings: Mapping[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Plain values, with the machine."""
        machine = {**describe_machine(), "python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
        return {
            "title": self.title,
            "machine": machine,
            "settings": dict(self.settings),
            "numbers": self.numbers,
            "rows": self.rows,
            "notes": self.notes,
        }

    def table(self) -> Table:
        columns = self._columns()
        shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, title=self.title, title_justify="left")
        for place, name in enumerate(columns):
            shown.add_column(name, justify="left" if place == 0 else "right", no_wrap=place == 0)
        for row in self.rows:
            shown.add_row(*(written(row.get(name, "")) for name in columns))
        return shown

    def markdown(self) -> str:
        """The table and its notes, for a report."""
        lines = [f"## {self.title}", ""]
        if columns := self._columns():
            lines += [_line(columns), _line(["---"] * len(columns))]
            lines += [*(_line([written(row.get(name, "")) for name in columns]) for row in self.rows), ""]
        return "\n".join([*lines, *(f"- {note}" for note in self.notes), ""])

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def written(value: Any) -> str:
    """Three digits that count."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def tell(measured: Measured, out: Path | None) -> None:
    """Prints the table, and writes the file where one is named. Raises DataError where it cannot be written."""
    console = Console(highlight=False)
    show(measured.table(), console)
    for note in measured.notes:
        console.print(note)
    if out is not None:
        write_json(out, measured.plain())
        console.print(f"all numbers: {out}")
