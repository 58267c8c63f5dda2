"""The main numbers of an evaluation as one table: one row per context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from contextssl.evaluation.deviations import deviation, deviation_words
from contextssl.protocol import Column, Protocol, metric_of
from contextssl.records.results import ResultRow


@dataclass(frozen=True)
class _Context:
    environment: str | None
    length: int
    bottleneck: float
    how: str = ""

    @property
    def title(self) -> tuple[str, ...]:
        return (
            ", ".join(filter(None, (self.environment or "none", self.how))),
            str(self.length),
            f"{self.bottleneck:g}" if self.bottleneck else "",
        )


def summary(rows: Sequence[ResultRow], protocol: Protocol, split: str) -> Group:
    """The main numbers of a protocol by context, means over contexts; the last rows hold the floors and the largest ± of each column.

    A cell about factors holds one number for each, in the order of the title: narrow enough for 80 columns.
    """
    rows = [row for row in rows if row.protocol == protocol.name and row.split == split]
    if not protocol.all_representations:
        rows = [row for row in rows if row.representation == "embedding"]
    factors = list(dict.fromkeys(row.factor for row in rows if row.factor not in (None, "class")))
    chosen: dict[str, list[list[ResultRow]]] = {}
    for column in protocol.columns or _columns(rows):
        found = [row for row in rows if (row.metric, row.head) == (column.metric, column.head)]
        if column.by_factor:
            found = [row for row in found if row.factor != "class"]
        if found:
            chosen[column.title] = [[row for row in found if row.factor == factor] for factor in factors] if column.by_factor else [found]
    contexts = {_context(row): None for column in chosen.values() for found in column for row in found}
    several = f"; {'/'.join(map(str, factors))}" if any(len(column) > 1 for column in chosen.values()) else ""
    heading = Text(f"{protocol.name}: {split} split, means over contexts{several}", style="italic")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    noisy = any(context.bottleneck for context in contexts)
    for name in ("context", "tokens", *(["noise"] if noisy else []), *chosen):
        table.add_column(name, justify="left" if name == "context" else "right", no_wrap=True)
    cells = {title: [{_context(row): row for row in found} for found in column] for title, column in chosen.items()}
    order = sorted(
        contexts, key=lambda context: (context.length > 0, context.environment or "", context.length, context.bottleneck, context.how)
    )
    for context in order:
        table.add_row(*context.title[: 2 + noisy], *("/".join(_written(by.get(context)) for by in column) for column in cells.values()))
    table.add_section()
    table.add_row("floor", *[""] * (1 + noisy), *("/".join(map(_floor, column)) for column in chosen.values()))
    table.add_row("± at most", *[""] * (1 + noisy), *("/".join(map(_largest, column)) for column in chosen.values()))
    return Group(heading, table, Text(f"± is {deviation_words(rows)}", style="italic"))


def _columns(rows: Sequence[ResultRow]) -> list[Column]:
    """A column for each metric and head."""
    found = dict.fromkeys((row.metric, row.head, row.factor not in (None, "class")) for row in rows)
    return [Column(metric, head, "\n".join(filter(None, (metric_of(metric).title, head))), by_factor) for metric, head, by_factor in found]


def _context(row: ResultRow) -> _Context:
    how = row.context or ("" if row.representation == "embedding" else row.representation or "")
    return _Context(row.environment, row.length or 0, row.bottleneck, how)


def _written(row: ResultRow | None) -> str:
    if row is None:
        return ""
    if row.mean != row.mean:
        return "–"
    return f"{row.mean:.2f}"


def _largest(found: Sequence[ResultRow]) -> str:
    return f"{max(known):.2f}" if (known := [error for row in found if (error := deviation(row)) is not None]) else ""


def _floor(found: Sequence[ResultRow]) -> str:
    floors = [row.floor for row in found if row.floor is not None]
    return f"{floors[0]:.2f}" if floors else ""
