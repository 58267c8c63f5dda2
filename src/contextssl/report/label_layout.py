"""Labels of points, placed where they hide nothing as far as there is room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes

from contextssl.report.panels import Panel

FONT = 10.0
# Of this font, in points: a letter's mean width, a line's height.
LETTER, HEIGHT = 0.6 * FONT, 1.2 * FONT
# Half the side of the square that a marker takes.
MARK = 4.5
# How often every label may move again.
ROUNDS = 4


@dataclass(frozen=True)
class Box:
    """A rectangle in points, x to the right and y upwards."""

    left: float
    low: float
    right: float
    high: float

    def shared(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.high, other.high) - max(self.low, other.low)
        return max(0.0, width) * max(0.0, height)


def place_labels(
    points: Sequence[tuple[float, float]], widths: Sequence[float], taken: Sequence[Box], frame: Box
) -> list[tuple[float, float]]:
    """Where the lower left corners of labels go: each where it hides least; then all of them again, now that the later ones have a place too.

    Args:
        points: what is named.
        widths: of the labels; all are one line high.
        taken: what no label should hide.
        frame: what no label should leave.
    """
    candidates = [_candidates(x, y, width) for (x, y), width in zip(points, widths, strict=True)]
    chosen: dict[int, Box] = {}
    for _ in range(ROUNDS):
        for index, boxes in enumerate(candidates):
            others = [*taken, *(box for other, box in chosen.items() if other != index)]
            # Rounding: floats that differ in nothing that one sees must not decide.
            costs = [round(sum(box.shared(other) for other in others) + 4 * (box.shared(box) - box.shared(frame)), 3) for box in boxes]
            chosen[index] = boxes[costs.index(min(costs))]
    return [(box.left, box.low) for box in chosen.values()]


def _candidates(x: float, y: float, width: float) -> list[Box]:
    """Right, left, above, below, at the corners; then the same farther away, ever less wanted."""
    right, left, middle = x + MARK + 2.5, x - MARK - 2.5 - width, x - width / 2
    corners = [(right, y - HEIGHT / 2), (left, y - HEIGHT / 2)]
    for step in (0.0, 9.0, 20.0, 31.0):
        above, below = y + MARK + 1 + step, y - MARK - 1 - HEIGHT - step
        corners += [(middle, above), (middle, below)]
        corners += [(side, low) for side in (right, left) for low in (above - MARK, below + MARK)]
    return [Box(edge, low, edge + width, low + HEIGHT) for edge, low in corners]


def label_points(axes: Axes, panel: Panel, of: Callable[[str], str]) -> None:
    """Write the ``end`` of each line next to its point; a label far from its point is connected to it by a thin line."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    area = axes.get_position()
    figure = axes.get_figure(root=True)
    assert figure is not None
    wide, tall = 72 * area.width * figure.get_figwidth(), 72 * area.height * figure.get_figheight()

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - left) / (right - left) * wide, (y - low) / (high - low) * tall

    # What is not finite is in no range.
    shown = [line for line in panel.lines if left <= line.x[0] <= right and low <= line.y[0] <= high]
    taken = []
    for line in shown:
        x, y = at(line.x[0], line.y[0])
        mark = MARK if not line.faint else MARK / 2
        reaches = [(mark, mark)]
        if not line.faint and line.across:
            reaches.append((line.across[0] / (right - left) * wide, 1))
        if not line.faint and line.deviation:
            reaches.append((1, line.deviation[0] / (high - low) * tall))
        taken += [Box(x - across, y - up, x + across, y + up) for across, up in reaches]
    named = [line for line in shown if line.end]
    points = [at(line.x[0], line.y[0]) for line in named]
    widths = [LETTER * len(line.end) for line in named]
    for line, point, width, (x, y) in zip(named, points, widths, place_labels(points, widths, taken, Box(0, 0, wide, tall)), strict=True):
        # Held at the side where the point is, so that a letter's true width moves only the far end.
        side: Literal["left", "right", "center"] = "left" if x > point[0] else "right" if x + width < point[0] else "center"
        corner = {"left": x, "right": x + width, "center": x + width / 2}[side]
        away = (corner - point[0], y + HEIGHT / 2 - point[1])
        look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": FONT, "annotation_clip": False}
        if abs(away[1]) > 18:
            look["arrowprops"] = {"arrowstyle": "-", "linewidth": 0.6, "color": of("muted"), "shrinkB": MARK}
        axes.annotate(line.end, (line.x[0], line.y[0]), away, ha=side, color=of("ink"), **look)
