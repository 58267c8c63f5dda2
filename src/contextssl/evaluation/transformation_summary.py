"""Sensitivity to each transformation by the number of pairs, as a table: for the terminal, and its cells for the page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation_words
from contextssl.evaluation.transformation_verdict import PROTOCOL, Line, lines_of
from contextssl.records.results import ResultRow


def lengths_of(lines: Sequence[Line]) -> list[int]:
    """Of any of them, in tokens."""
    return sorted({length for line in lines for length in line.by_length})


def titles(lines: Sequence[Line]) -> list[str]:
    """Of the columns: the numbers of pairs, the controls, ranks, and whether it is read."""
    return ["transformation", *(str(pairs_in(length)) for length in lengths_of(lines)), "other", "dealt", "erased", "MRR 0", "MRR", "read"]


def numbers(line: Line, lengths: Sequence[int]) -> list[ResultRow | None]:
    """The cells between the name and the verdict."""
    return [*(line.by_length.get(length) for length in lengths), line.other, line.dealt, line.erased, *line.mrr]


def read_word(line: Line) -> str:
    return "–" if line.read is None else "yes" if line.read else "no"


def summary(rows: Sequence[ResultRow], split: str) -> Group:
    """One row for each transformation."""
    lines = lines_of(rows)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for index, title in enumerate(titles(lines)):
        table.add_column(title, justify="right" if index else "left", no_wrap=True)
    for line in lines:
        cells = ("" if row is None else "–" if row.mean != row.mean else f"{row.mean:.2f}" for row in numbers(line, lengths_of(lines)))
        table.add_row(line.name, *cells, read_word(line))
    heading = f"{PROTOCOL}: {split} split, sensitivity by number of pairs; other, dealt, erased: most pairs"
    return Group(Text(heading, style="italic"), table, Text(f"± (in results.json) is {deviation_words(rows)}", style="italic"))
