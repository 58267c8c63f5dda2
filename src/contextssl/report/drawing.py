"""Drawing figures with matplotlib: inline SVG that takes its colours from the page, and files of their own."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from contextssl.report.label_layout import label_points
from contextssl.report.markup import Markup, element
from contextssl.report.panels import LOWEST, Line, Panel, Picture
from contextssl.system.files import write_bytes

# Okabe and Ito's colours, which the colour-blind can distinguish; their lighter relatives for a dark page are in page.css.
PALETTE = {"rotation": "#0072b2", "color": "#d55e00", "class": "#007a5a"}
OTHERS = ("#8a3f8f", "#a67c00", "#007a5a", "#4a4a4a")
LIGHT = {"ink": "#1c2430", "muted": "#5d6775", "grid": "#dfe3e8", "paper": "#ffffff"}
ON_WHITE = {**LIGHT, **PALETTE, **{f"other{index}": colour for index, colour in enumerate(OTHERS)}}
# Colours that stand for names in a drawn SVG until they are replaced by the page's own.
PLACEHOLDERS = {name: f"#fe{index:02x}01" for index, name in enumerate(name for name in ON_WHITE if name != "paper")}

DASHES: tuple[Literal["-"] | tuple[float, tuple[float, ...]], ...] = (
    "-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (8, 3)), (0, (3, 1, 1, 1, 1, 1)),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P")
RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    # Names are text: a dollar sign in one begins no formula.
    "text.parse_math": False,
    "svg.hashsalt": "contextssl",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


def colour_key(name: str, factors: Sequence[str]) -> str:
    """The palette's name for a factor: its own, or one of the others in the order of the factors."""
    if name in (*PALETTE, *LIGHT):
        return name
    strange = [factor for factor in factors if factor not in PALETTE]
    return f"other{strange.index(name) % len(OTHERS)}" if name in strange else "ink"


def inline_svg(panel: Panel, factors: Sequence[str], prefix: str) -> Markup:
    """A panel as an SVG to stand in a page: text is text, colours are the page's variables, ids start with ``prefix``."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(4.8, 3.15))
        # Margins by the length of what stands right of the panel: many times as fast as to measure it, and panels align.
        widths = [1.15 * len(line.end) for line in panel.lines if not panel.points] + [0.9 * len(floor.label) for floor in panel.floors]
        figure.subplots_adjust(left=0.145, right=max(0.4, 0.97 - 0.0172 * max(widths, default=0.0)), bottom=0.155, top=0.9)
        draw_panel(figure.subplots(), panel, lambda name: PLACEHOLDERS[colour_key(name, factors)])
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_for_page(buffer.getvalue(), prefix, panel))


def _for_page(svg: str, prefix: str, panel: Panel) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{prefix}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font-size: \1", svg)
    for name, colour in PLACEHOLDERS.items():
        svg = svg.replace(colour, f"var(--{name})")
    # Coordinates to a hundredth of a point; text between the tags stays as it is.
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d+\.\d\d)\d+", r"\1", tag[0]), svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    view_box = re.search(r'viewBox="([^"]+)"', svg)
    assert view_box is not None
    label = str(element("svg", viewBox=view_box[1], role="img", aria_label=_described(panel), class_="panel"))
    return label.removesuffix("</svg>") + svg[svg.index(">") + 1 :]


def _described(panel: Panel) -> str:
    """The panel in words, for those who do not see it."""
    said = []
    for line in panel.lines:
        if panel.points and not line.faint and math.isfinite(line.x[0] + line.y[0]):
            said.append(f"{line.label} at {line.x[0]:.2f}, {line.y[0]:.2f}")
        elif not panel.points and math.isfinite(line.y[0] + line.y[-1]):
            said.append(f"{line.label} from {line.y[0]:.2f} to {line.y[-1]:.2f}")
    return f"{panel.title}. {panel.ylabel} against {panel.xlabel}: {'; '.join(said)}"


def draw_panel(axes: Axes, panel: Panel, of: Callable[[str], str], *, labels: bool = True) -> None:
    """Draw one panel into matplotlib axes; ``of`` gives the colour of a name."""
    for floor in panel.floors:
        draw_floor = axes.axvline if floor.upright else axes.axhline
        draw_floor(floor.value, color=of(floor.colour), linewidth=1.1, linestyle=(0, (1, 2)), alpha=0.9)
    draw, set_limits = (_draw_point, _point_limits) if panel.points else (_draw_line, _limits)
    for line in panel.lines:
        draw(axes, line, of(line.colour))
    set_limits(axes, panel)
    axes.set_title(panel.title, loc="left", color=of(panel.colour), fontsize=12, fontweight="bold")
    axes.set_xlabel(panel.xlabel, color=of("muted"))
    axes.set_ylabel(panel.ylabel, color=of("muted"))
    if panel.ticks is not None:
        axes.set_xticks([place for place, _ in panel.ticks], [text for _, text in panel.ticks])
        width = (panel.ticks[-1][0] - panel.ticks[0][0]) or 1.0
        axes.set_xlim(panel.ticks[0][0] - 0.04 * width, panel.ticks[-1][0] + 0.04 * width)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=panel.whole))
    if panel.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.grid(axis="y", color=of("grid"), linewidth=0.8)
    axes.tick_params(colors=of("muted"))
    for side in ("left", "bottom"):
        axes.spines[side].set_color(of("grid"))
    if labels and panel.points:
        label_points(axes, panel, of)
    elif labels:
        _label_ends(axes, panel, of)


def _draw_line(axes: Axes, line: Line, colour: str) -> None:
    markers = len(line.x) <= 12
    if line.deviation is not None:
        y, around = np.array(line.y), np.array(line.deviation)
        axes.fill_between(line.x, y - around, y + around, color=colour, alpha=0.16, linewidth=0)
    look: dict[str, Any] = {"linestyle": "-", "linewidth": 1.2, "alpha": 0.5}
    if not line.faint:
        look = {"linestyle": DASHES[line.style % len(DASHES)], "linewidth": 2.2 if markers else 1.5, "alpha": 1.0}
        look["marker"] = MARKERS[line.style % len(MARKERS)] if markers else None
    axes.plot(line.x, line.y, color=colour, markersize=5, solid_capstyle="round", **look)


def _draw_point(axes: Axes, line: Line, colour: str) -> None:
    look: dict[str, Any] = {"alpha": 0.35, "markersize": 4} if line.faint else {"alpha": 1.0, "markersize": 6}
    look |= {"marker": MARKERS[line.style % len(MARKERS)], "elinewidth": 1.1, "linestyle": "none"}
    axes.errorbar(line.x, line.y, yerr=line.deviation, xerr=line.across, color=colour, **look)


def _limits(axes: Axes, panel: Panel) -> None:
    values = [value for line in panel.lines for value in line.y if math.isfinite(value)] + [floor.value for floor in panel.floors]
    values = values or [0.0, 1.0]
    if panel.low is not None:
        low = max(LOWEST, min(panel.low, *values, panel.low))
        axes.set_ylim(bottom=low - 0.03 * (1 - low) if low < panel.low else panel.low - 0.015)
    if panel.high is not None:
        axes.set_ylim(top=max(panel.high, *values) + 0.03)
    elif panel.low is not None:
        axes.set_ylim(top=max(*values, 0.1) * 1.12)


def _point_limits(axes: Axes, panel: Panel) -> None:
    """Both axes from 0, or the least value that is drawn, to a little beyond the largest."""
    for upright, set_limits in ((True, axes.set_xlim), (False, axes.set_ylim)):
        values = [value for line in panel.lines for value in (line.x if upright else line.y) if math.isfinite(value)]
        values += [floor.value for floor in panel.floors if floor.upright == upright]
        low, high = max(LOWEST, min(0.0, *values, 0.0)), max(0.1, *values, 0.1)
        set_limits(low - 0.06 * (high - low), high + 0.13 * (high - low))


def _label_ends(axes: Axes, panel: Panel, of: Callable[[str], str]) -> None:
    """Names of lines and floors right of the panel, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    wanted = [(line.y[-1], line.end, of(line.colour), True) for line in panel.lines if line.end and math.isfinite(line.y[-1])]
    wanted += [(floor.value, floor.label, of(floor.colour), False) for floor in panel.floors]
    wanted.sort(key=lambda label: label[0])
    places = [min(max((value - low) / (high - low), 0.0), 1.0) for value, *_ in wanted]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + 0.085)
    ceiling = 1.0
    for index in reversed(range(len(places))):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - 0.085
    for place, (_, text, colour, bold) in zip(places, wanted, strict=True):
        look: dict[str, Any] = {"fontsize": 11, "fontweight": "bold"} if bold else {"fontsize": 9.5}
        look |= {"xycoords": "axes fraction", "textcoords": "offset points", "va": "center", "annotation_clip": False}
        axes.annotate(text, (1.0, place), (5, 0), color=colour, **look)


def picture_files(picture: Picture, factors: Sequence[str], folder: Path, *, subtitle: str = "") -> list[Path]:
    """The whole figure as ``NAME.png`` and ``NAME.svg``, on white."""
    panels = picture.panels
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    rows = -(-len(panels) // columns)

    def of(name: str) -> str:
        return ON_WHITE[colour_key(name, factors)]

    with matplotlib.rc_context(RC):
        head = 0.85 if subtitle else 0.55
        figure = Figure(figsize=(5.2 * columns, 3.5 * rows + head + (0.3 if picture.legend else 0)), facecolor=LIGHT["paper"])
        height = figure.get_figheight()
        layout = figure.subplots(rows, columns, squeeze=False)
        figure.set_layout_engine("constrained", rect=(0.008, 0.01, 0.984, 1 - head / height - 0.01), w_pad=0.1, h_pad=0.08)
        for axes, panel in zip(layout.flat, panels, strict=False):
            draw_panel(axes, panel, of, labels=not panel.points)
        for axes in list(layout.flat)[len(panels) :]:
            axes.remove()
        figure.text(0.012, 1 - 0.14 / height, picture.title, ha="left", va="top", fontsize=16, fontweight="bold", color=LIGHT["ink"])
        if subtitle:
            figure.text(0.012, 1 - 0.52 / height, subtitle.replace("'", "’"), ha="left", va="top", fontsize=11, color=LIGHT["muted"])
        if picture.legend:
            handles = [
                Line2D([], [], color=of(colour), linestyle=DASHES[style % 6], marker=MARKERS[style % 6], label=label)
                for label, colour, style in picture.legend
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), labelcolor=LIGHT["ink"])
        if any(panel.points for panel in panels):
            # Names next to points need to know how large their axes came out.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        for axes, panel in zip(layout.flat, panels, strict=False):
            if panel.points:
                label_points(axes, panel, of)
        return figure_files(figure, folder, picture.name)


def figure_files(figure: Figure, folder: Path, name: str) -> list[Path]:
    """A figure as ``NAME.png`` and ``NAME.svg``."""
    paths = []
    for suffix in ("png", "svg"):
        buffer = io.BytesIO()
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(buffer, format=suffix, dpi=160, facecolor=LIGHT["paper"], metadata=metadata)
        paths.append(folder / f"{name}.{suffix}")
        write_bytes(paths[-1], buffer.getvalue())
    return paths
