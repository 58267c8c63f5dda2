"""Examples on the left, a query, and its nearest neighbours after them on the right: the picture of a model of contexts by example."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from contextssl.data.image_bytes import opened_image
from contextssl.evaluation.contexts import pairs_in
from contextssl.report.drawing import LIGHT, PALETTE, RC, figure_files
from contextssl.report.words import factor_name, listed

EXAMPLES, NEIGHBOURS = 2, 5
# Inches above the first row; the height of a row in pictures; where query and neighbours begin, of the figure's width.
HEAD, ROW = 0.34, 1.14
QUERY, NEAREST = 0.515, 0.615


def examples_files(gallery: Mapping[str, Any], folder: Path) -> list[Path]:
    """``examples.png`` and ``examples.svg`` of a gallery with examples: its first query before and after the examples of each environment."""
    with matplotlib.rc_context(RC):
        return figure_files(examples_figure(gallery), folder, "examples")


def examples_figure(gallery: Mapping[str, Any]) -> Figure:
    """One row without examples, and one for each environment."""
    asked = gallery["queries"][0]
    rows: list[tuple[str | None, Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]] = [(None, (), asked["without"])]
    rows += [(name, gallery["examples"][name], under["neighbours"]) for name, under in asked["environments"].items()]
    # Of the figure's width; rows are a little higher than the pictures.
    width, left, inches = 0.069, 0.15, 9.6
    tall = HEAD + ROW * width * inches * len(rows)
    figure = Figure(figsize=(inches, tall))
    height = width * inches / tall

    def draw(name: str, start: float, bottom: float) -> Axes:
        axes = figure.add_axes((start, bottom, width, height))
        encoded = base64.b64decode(str(gallery["images"][name]).partition(",")[2])
        with opened_image(encoded) as image:
            axes.imshow(np.asarray(image.convert("RGB")), interpolation="nearest")
        axes.set_axis_off()
        return axes

    for number, (name, examples, near) in enumerate(rows):
        bottom = 1 - HEAD / tall - (number + 1) * ROW * height + (ROW - 1) * height / 2
        colour = PALETTE.get(name or "", LIGHT["ink"])
        figure.text(0.01, bottom + height / 2, said(name, gallery), va="center", fontsize=10, color=colour, linespacing=1.3)
        for index, pair in enumerate(examples[:EXAMPLES]):
            start = left + index * (2 * width + 0.036)
            draw(pair["source"], start, bottom)
            draw(pair["target"], start + width + 0.016, bottom)
            figure.text(start + width + 0.008, bottom + height / 2, "=", ha="center", va="center", fontsize=13, color=LIGHT["muted"])
        axes = draw(asked["query"], QUERY, bottom)
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=LIGHT["ink"], linewidth=2))
        for index, entry in enumerate(near[:NEIGHBOURS]):
            draw(entry["image"], NEAREST + index * (width + 0.006), bottom)
    heads = ((left, f"{EXAMPLES} of {pairs_in(gallery['length'])} examples"), (QUERY, "query"), (NEAREST, "its nearest views"))
    for x, words in heads:
        figure.text(x, 1 - 0.62 * HEAD / tall, words, fontsize=10, color=LIGHT["muted"])
    return figure


def said(environment: str | None, gallery: Mapping[str, Any]) -> str:
    """What examples of an environment show, in words."""
    if environment is None:
        return "no examples"
    factors = list(gallery["queries"][0]["apart"])
    if not factors:
        # Listed pairs have no factor values.
        return "any pairs" if environment == "none" else f"pairs of\n{environment}"
    active = [] if environment == "none" else environment.split("+")
    differ = listed([factor_name(factor) for factor in factors if factor not in active])
    same = listed([factor_name(factor) for factor in active]) if active else "object"
    rest = f",\nother {differ}".replace(" and ", "\nand ")
    return f"same {same}{rest}" if differ else f"same {same}"
