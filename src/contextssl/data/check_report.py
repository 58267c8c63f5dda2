"""What looking data over finds: facts, faults, notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contextssl.data.names import shown


@dataclass
class CheckReport:
    """What was found.

    Args:
        kind: ``"folder"`` for the published layout, ``"store"`` for a packed one, ``"images"``, ``"table"``, ``"data"`` of the user's own.
        facts: what there is, by name: counts, sizes, modes.
        faults: the first of each kind, up to the limit; ``counts`` says how many there are in all.
        notes: what is worth noting but no fault, such as two items with the same pixels.
        picture: of sample views, where one was made.
    """

    path: Path
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    picture: Path | None = None
    limit: int = 20

    @property
    def ok(self) -> bool:
        """Whether no fault was found."""
        return not self.counts.total()

    def add(self, kind: str, message: str) -> None:
        """Counts a fault, and keeps its message while there are fewer than the limit of its kind."""
        self.counts[kind] += 1
        kept = self.faults.setdefault(kind, [])
        if len(kept) < self.limit:
            kept.append(message)

    def print(self, console: Console | None = None) -> None:
        """Shows the report as a table, then the faults, then the verdict."""
        console = console or Console()
        console.print(Text(shown(f"{self.kind} {self.path}")), soft_wrap=True)
        table = Table(show_header=False)
        for name, value in self.facts.items():
            table.add_row(name, Text(shown(_in_words(value))))
        console.print(table)
        lines = []
        for kind, messages in self.faults.items():
            more = self.counts[kind] - len(messages)
            lines += [f"{kind}: {message}" for message in [*messages, *([f"… and {more} more"] if more else [])]]
        lines += [f"note: {note}" for note in self.notes]
        lines += [] if self.picture is None else [f"sample views: {self.picture}"]
        for line in lines:
            console.print(Text(shown(line)), soft_wrap=True)
        verdict = "ok: no fault found" if self.ok else f"{self.counts.total():,} faults: {_in_words(dict(self.counts))}"
        console.print(Text(verdict, style="green" if self.ok else "red"))


def note_twins(report: CheckReport, entries: Sequence[tuple[tuple[str, str], int]]) -> None:
    """Notes items whose pixels have the same checksum, above all those in two splits."""
    seen: dict[int, tuple[str, str]] = {}
    same: list[str] = []
    across: list[str] = []
    for (split, name), checksum in entries:
        other_split, other = seen.setdefault(checksum, (split, name))
        if (other_split, other) != (split, name):
            (same if split == other_split else across).append(f"{name} ({split}) and {other} ({other_split})")
    if across:
        report.notes.append(f"{len(across)} items have the same pixels as one of another split, such as {across[0]}: a leak between splits")
    if same:
        report.notes.append(f"{len(same)} items have the same pixels as one of their split, such as {same[0]}")


def note_unused(report: CheckReport, unused: Sequence[str]) -> None:
    if unused:
        report.notes.append(f"{len(unused)} classes have no item, such as {unused[0]}")


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_in_words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(inner) for inner in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
