"""A table of a comparison: columns of numbers, lines in groups, the floors, the best in bold; as HTML and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contextssl.records.results import ResultRow
from contextssl.report.entries import Condition, wanted
from contextssl.report.markup import Content, Markup, element, group_row, table
from contextssl.report.tables import floor_cell
from contextssl.report.words import factor_name, floor_of, measured, number

NOTHING = "–"
PLAIN = {"factor": None, "head": None, "bottleneck": 0.0, "target": None, "context": None}


@dataclass(frozen=True)
class Column:
    """A number of each line.

    Args:
        protocols: the first one that has the number gives it.
        fields: of its rows.
        higher: whether higher is better in every group; None: as its factor is wanted in the group.
        judged: whether the best is marked at all.
    """

    title: str
    protocols: tuple[str, ...]
    fields: Mapping[str, Any]
    higher: bool | None = None
    judged: bool = True

    @property
    def factor(self) -> str | None:
        return self.fields.get("factor")

    def row(self, line: Condition) -> ResultRow | None:
        fields = {**PLAIN, **self.fields, **line.fields}
        rows = (line.each.run.first(protocol=name, **fields) for name in ((line.protocol,) if line.protocol else self.protocols))
        return next((row for row in rows if row is not None), None)

    def wish(self, group: str, factors: Sequence[str]) -> int:
        """1 where higher is better, -1 where lower is, 0 where neither is."""
        if not self.judged or group in ("ceiling", "floor"):
            return 0
        if self.higher is not None:
            return 1 if self.higher else -1
        return wanted(group, self.factor or "", factors)


@dataclass(frozen=True)
class Cell:
    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table, of which ``anchor`` and ``title`` head the section.

    Args:
        head: column titles; the first ``left`` are of words.
        floors: the first row.
        groups: title (none where empty) and rows.
        notes: explanations, one paragraph each, links as in Markdown.
    """

    anchor: str
    title: str
    head: Sequence[str]
    left: int
    floors: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Sequence[Cell]]]]
    notes: Sequence[str] = ()

    def html(self) -> Markup:
        body: list[Sequence[Content] | Markup] = [list(self.floors)]
        for title, rows in self.groups:
            if title:
                body.append(group_row(title, len(self.head)))
            body += [[element("strong", cell.text, class_="active") if cell.best else cell.text for cell in row] for row in rows]
        return table(list(self.head), body, left=self.left)

    def markdown(self) -> str:
        lines = [self.head, ["---"] * self.left + ["---:"] * (len(self.head) - self.left), self.floors]
        for title, rows in self.groups:
            if title:
                lines.append([f"*{title}*", *[""] * (len(self.head) - 1)])
            lines += [[f"**{cell.text}**" if cell.best else cell.text for cell in row] for row in rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def grid(
    anchor: str,
    title: str,
    words: Sequence[str],
    columns: Sequence[Column],
    lines: Sequence[Condition],
    groups: Mapping[str, str],
    factors: Sequence[str],
    *,
    floor: str = "floor",
    published: Callable[[Condition, Column], float | None] = lambda line, column: None,
    notes: Sequence[str] = (),
) -> Grid | None:
    """Columns that no line has a number for are left out, and so are such lines; None where nothing is left.

    Args:
        words: titles of the cells that say what a line is; a count of seeds follows where it differs.
        groups: their titles, in their order.
        published: the paper's number of a line and column; shown in a column next to ours where there are any.
    """
    columns = [column for column in columns if any(column.row(line) is not None for line in lines)]
    lines = [line for line in lines if any(column.row(line) is not None for column in columns)]
    if not lines:
        return None
    next_to = {column.title for column in columns if any(published(line, column) is not None for line in lines)}
    differ = len({line.each.seeds for line in lines}) > 1
    head = [*words, *(["seeds"] if differ else [])]
    left = len(head)
    floors = [floor, *[""] * (left - 1)]
    for column in columns:
        about = factor_name(column.factor) if column.factor else column.title
        head += [column.title, *([f"{about}, published"] if column.title in next_to else [])]
        found = [row for line in lines if (row := column.row(line)) is not None]
        floors += [floor_cell(found), *([""] if column.title in next_to else [])]
    made = []
    for group, heading in groups.items():
        if not (own := [line for line in lines if line.group == group]):
            continue
        rows = [[*map(Cell, line.words), *([Cell(str(line.each.seeds))] if differ else [])] for line in own]
        for column in columns:
            values = [column.row(line) for line in own]
            best = _best(values, column.wish(group, factors))
            for cells, line, value, is_best in zip(rows, own, values, best, strict=True):
                cells.append(Cell(_written(value, line.each.seeds), is_best))
                if column.title in next_to:
                    stated = published(line, column)
                    cells.append(Cell(NOTHING if stated is None else number(stated)))
        made.append((heading, rows))
    return Grid(anchor, title, head, left, floors, made, list(notes))


def _written(row: ResultRow | None, seeds: int) -> str:
    """A number that some seeds lack says of how many it is."""
    return NOTHING if row is None else measured(row) + (f" ({row.n} of {seeds})" if 0 < row.n < seeds else "")


def _best(rows: Sequence[ResultRow | None], wish: int) -> list[bool]:
    """Which of several are as good as the best, to the digits that are written.

    Where less is better, nothing below the floor is better than at it; where more is, nothing at the floor has anything to be the best in.
    """
    values = [None if row is None or math.isnan(row.mean) else row.mean for row in rows]
    if not wish or sum(value is not None for value in values) < 2:
        return [False] * len(rows)
    floor = floor_of([row for row in rows if row is not None])
    floor = -math.inf if floor is None else floor
    scores = [None if value is None else round(wish * max(value, floor), 3) for value in values]
    top = max(score for score in scores if score is not None)
    if wish > 0 and top <= round(floor, 3):
        return [False] * len(rows)
    return [score == top for score in scores]
