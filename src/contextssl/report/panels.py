"""What a figure is: panels of lines over context length, with floors. :mod:`contextssl.report.drawing` draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contextssl.errors import one_line
from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation
from contextssl.records.results import ResultRow
from contextssl.report.words import floor_of

# Values of R² below this leave the picture.
LOWEST = -0.25
# Letters at the end of a line or in a title: longer names would leave no room for what they name.
LONGEST_END, LONGEST_TITLE = 26, 60


def in_short(name: str, most: int) -> str:
    """A name in one line, its middle left out where it is long."""
    name = one_line(name)
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[1 - most // 2 :]}"


@dataclass(frozen=True)
class Line:
    """One line of a panel.

    Args:
        label: what it is called, in legends, tables and at its end.
        x, y: positions on the axis, and values (NaN leaves a gap).
        deviation: half the height of the band around each, of a point's error bar; None draws none.
        across: half the width of a point's error bar.
        colour: a factor, ``"class"``, or ``"ink"``.
        style: which dash and marker: 0, 1, …
        faint: drawn for orientation.
        end: what stands at its end; nothing where empty.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    deviation: Sequence[float] | None = None
    across: Sequence[float] | None = None
    colour: str = "ink"
    style: int = 0
    faint: bool = False
    end: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", in_short(self.end, LONGEST_END))
        object.__setattr__(self, "label", in_short(self.label, 2 * LONGEST_TITLE))


@dataclass(frozen=True)
class Floor:
    """A reference level: what a constant, or chance, scores; ``upright`` of the x axis."""

    value: float
    label: str
    colour: str = "ink"
    upright: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", in_short(self.label, LONGEST_END))


@dataclass(frozen=True)
class Panel:
    """Lines over one axis.

    Args:
        ticks: places on the x axis and their labels; default: numbers, whole ones where ``whole``.
        low, high: of the y axis, widened where values lie beyond; None fits it to them.
        percent: the y axis counts per cent.
        points: each line is a point, with its name next to it; both axes show what the y axis would.
    """

    title: str
    lines: Sequence[Line]
    ylabel: str
    xlabel: str = "pairs in the context"
    ticks: Sequence[tuple[float, str]] | None = None
    floors: Sequence[Floor] = ()
    low: float | None = 0.0
    high: float | None = 1.0
    colour: str = "ink"
    percent: bool = False
    whole: bool = True
    points: bool = False

    def __post_init__(self) -> None:
        for name in ("title", "ylabel", "xlabel"):
            object.__setattr__(self, name, in_short(getattr(self, name), LONGEST_TITLE))


@dataclass(frozen=True)
class Picture:
    """A figure: panels side by side, and what to see in them.

    Args:
        name: of its files.
        legend: (label, colour, style) of what colours and dashes stand for.
        caption: what to see.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    caption: str
    legend: Sequence[tuple[str, str, int]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "legend", [(in_short(label, LONGEST_TITLE), colour, style) for label, colour, style in self.legend])


def picture_of(name: str, title: str, panels: Sequence[Panel], caption: str, legend: Sequence[tuple[str, str, int]] = ()) -> Picture | None:
    """A figure, where there is a panel for it."""
    return Picture(name, title, panels, caption, legend) if panels else None


def position(length: int) -> float:
    """Of a context length on the axis: 0, 1, 3, 7, 15, 31 and 63 pairs (two tokens each) are one step apart."""
    return math.log2(length + 2) - 1


def line(rows: Sequence[ResultRow], label: str, x: Sequence[float] | None = None, **look: Any) -> Line:
    """The line of a curve's rows; ``x`` by default by their context length."""
    around = [deviation(row) or 0.0 for row in rows]
    x = [position(row.length or 0) for row in rows] if x is None else x
    return Line(label, x, [row.mean for row in rows], around if any(around) else None, **look)


def floors_of(rows: list[ResultRow], colour: str) -> list[Floor]:
    """The floor that these rows share, where they have one."""
    floor = floor_of(rows)
    return [] if floor is None else [Floor(floor, f"floor {floor:.2f}", colour)]


def length_ticks(lengths: Sequence[int]) -> list[tuple[float, str]]:
    return [(position(length), str(pairs_in(length))) for length in sorted(set(lengths))]


def outside(panels: Sequence[Panel]) -> str:
    """A sentence where values lie below what is drawn."""
    low = any(value < LOWEST for panel in panels for line in panel.lines for value in (*line.y, *(line.x if panel.points else ())))
    return f" Values below {LOWEST:.2f} are cut off in the figure; its table has them.".replace("-", "−") if low else ""


def same_height(panels: Sequence[Panel]) -> list[Panel]:
    """The same axis for all, so that they can be compared by eye."""
    tops = [value + (line.deviation[i] if line.deviation else 0.0) for p in panels for line in p.lines for i, value in enumerate(line.y)]
    top = max((value for value in tops if math.isfinite(value)), default=1.0)
    return [replace(panel, high=1.05 * max(top, 0.1)) for panel in panels]
