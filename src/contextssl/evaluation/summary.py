"""The main numbers of an evaluation as one table: one row per context."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation, deviation_words
from contextssl.protocol import Column, Protocol, metric_of
from contextssl.records.results import ResultRow


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
    noisy = any(bottleneck for _, _, bottleneck, _ in contexts)
    for name in ("context", "pairs", *(["noise"] if noisy else []), *chosen):
        table.add_column(name, justify="left" if name == "context" else "right", no_wrap=True)
    cells = {title: [{_context(row): row for row in found} for found in column] for title, column in chosen.items()}
    # Environment, length, noise, how it was disturbed or what was represented; without a context first.
    for context in sorted(contexts, key=lambda context: (context[1] > 0, *context)):
        environment, length, bottleneck, how = context
        about = (", ".join(filter(None, (environment or "none", how))), str(pairs_in(length)), f"{bottleneck:g}" if bottleneck else "")
        table.add_row(*about[: 2 + noisy], *("/".join(written(by.get(context)) for by in column) for column in cells.values()))
    table.add_section()
    table.add_row("floor", *[""] * (1 + noisy), *("/".join(map(_floor, column)) for column in chosen.values()))
    if not any(deviation(row) is not None for column in chosen.values() for found in column for row in found):
        return Group(heading, table)
    table.add_row("± at most", *[""] * (1 + noisy), *("/".join(map(largest, column)) for column in chosen.values()))
    return Group(heading, table, Text(f"± is {deviation_words(rows)}", style="italic"))


def _columns(rows: Sequence[ResultRow]) -> list[Column]:
    """A column for each metric and head."""
    found = dict.fromkeys((row.metric, row.head, row.factor not in (None, "class")) for row in rows)
    return [Column(metric, head, "\n".join(filter(None, (metric_of(metric).title, head))), by_factor) for metric, head, by_factor in found]


def _context(row: ResultRow) -> tuple[str, int, float, str]:
    how = row.context or ("" if row.representation == "embedding" else row.representation or "")
    return row.environment or "", row.length or 0, row.bottleneck, how


def written(row: ResultRow | None, digits: int = 2) -> str:
    return "" if row is None else "–" if row.mean != row.mean else f"{row.mean:.{digits}f}"


def largest(found: Sequence[ResultRow], digits: int = 2) -> str:
    """The largest ± of a column."""
    return f"{max(known):.{digits}f}" if (known := [error for row in found if (error := deviation(row)) is not None]) else ""


def _floor(found: Sequence[ResultRow]) -> str:
    floors = [row.floor for row in found if row.floor is not None]
    return f"{floors[0]:.2f}" if floors else ""
