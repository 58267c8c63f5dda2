"""The figure of a comparison: R² of one factor against R² of another, one point per method and context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contextssl.evaluation.deviations import deviation
from contextssl.factors import NO_FACTOR
from contextssl.records.results import ResultRow
from contextssl.report.comparison_tables import group_title, lines_of, pair_head
from contextssl.report.entries import Averaged, Condition, in_order
from contextssl.report.figures import factors_of
from contextssl.report.grid import Column
from contextssl.report.panels import Floor, Line, Panel, Picture, outside
from contextssl.report.words import capitalised, environment_name, factor_name, floor_of, head_name

# Groups without a wanted direction share a panel.
REST = ("context", "ceiling", "floor")


@dataclass(frozen=True)
class Point:
    """A method in a condition, in a panel."""

    line: Condition
    panel: str
    across: ResultRow
    up: ResultRow

    @property
    def method(self) -> str:
        return self.line.each.entry.name.split(":")[0]


def picture(entries: Sequence[Averaged]) -> Picture | None:
    """The first two factors against each other; None where there are not two, or no method has both numbers."""
    factors = factors_of(entries)[:2]
    if len(factors) < 2:
        return None
    columns = [_column(entries, factor) for factor in factors]
    points = []
    for line in _shown(entries):
        across, up = (column.row(line) for column in columns)
        if across is not None and up is not None:
            points.append(Point(line, "rest" if line.group in REST else line.group, across, up))
    if not points:
        return None
    methods = list(dict.fromkeys(point.method for point in points))
    levels = {True: floor_of([point.across for point in points]), False: floor_of([point.up for point in points])}
    floors = [Floor(level, "", upright=upright) for upright, level in levels.items() if level is not None]
    panels = []
    for name in in_order([point.panel for point in points], factors):
        # Points of other panels are for orientation; they are drawn below the panel's own.
        others = [_drawn(point, "muted", methods, faint=True) for point in points if point.panel != name]
        colour = name if name in factors else "ink"
        own = [_drawn(point, colour, methods) for point in points if point.panel == name]
        title = "No context, ceiling, floor" if name == "rest" else group_title(name, factors)
        look: dict[str, Any] = {"floors": floors, "colour": colour, "whole": False, "points": True}
        panels.append(Panel(title, [*others, *own], columns[1].title, columns[0].title, **look))
    first, second = map(factor_name, factors)
    return Picture(
        "-".join(factors),
        f"{capitalised(first)} against {second}",
        panels,
        f"Right: higher R² of {first}. Up: higher R² of {second}. Methods without contexts by their features, in-context models by their embeddings: "
        "the same weights in every panel, only the context (or the environment's name) differs; c = 0 is no context. Means over seeds; bars are "
        "the ± of the tables. Points of the other panels are faint, floors dotted." + outside(panels),
    )


def _column(entries: Sequence[Averaged], factor: str) -> Column:
    """As in the paper's table; where pairs were not probed, single views by ridge."""
    head = pair_head(entries, factor)
    fields = {"metric": "r2_pooled", "factor": factor, "head": head or "ridge"}
    if head is None and not any(each.run.has("equivariance") for each in entries):
        return Column(f"{factor_name(factor)} R², single views, ridge", ("probe",), fields)
    return Column(f"{factor_name(factor)} R², {head_name(head or 'ridge')}", ("equivariance",), fields)


def _shown(entries: Sequence[Averaged]) -> list[Condition]:
    """Features of methods without contexts (embeddings where features were not probed), embeddings of those that take an environment."""
    lines = lines_of(entries)
    without = [line for line in lines if not line.each.takes_contexts and not line.each.takes_environment_name]
    by_features = {line.each.entry.name for line in without if line.fields["representation"] == "feature"}
    return [line for line in lines if (line.fields["representation"] == "feature") == (line.each.entry.name in by_features)]


def _drawn(point: Point, colour: str, methods: Sequence[str], *, faint: bool = False) -> Line:
    line, name = point.line, point.line.each.entry.name
    label = name.removesuffix(f":{line.group}")
    if line.each.takes_contexts:
        if not line.length:
            label += " (c = 0)"
        elif line.environment not in (point.panel, NO_FACTOR):
            label += f", {environment_name(line.environment)} context"
    up, across = (None if faint or (around := deviation(row)) is None else [around] for row in (point.up, point.across))
    look: dict[str, Any] = {"colour": colour, "style": methods.index(point.method), "faint": faint, "end": "" if faint else label}
    return Line(label, [point.across.mean], [point.up.mean], up, across, **look)
