"""The figure of training: losses, and R² of the model's own head, over steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contextssl.report.collect import Run
from contextssl.report.figures import environments_of, factors_of, line_label, panel_colour, run_legend
from contextssl.report.panels import Line, Panel, Picture, picture_of
from contextssl.report.words import environment_name, factor_name

# Longest curve of a meter that a page carries.
POINTS = 300


def training(runs: Sequence[Run]) -> Picture | None:
    """Losses, and R² of the model's own head on validation views, over steps."""
    panels = []
    for term in ("contrastive", "auxiliary"):
        curves = [run.training.get(f"train/{term}_loss", ()) for run in runs]
        lines = [_line(run.name, curve, style=index) for index, (run, curve) in enumerate(zip(runs, curves, strict=True)) if len(curve) > 1]
        panels.append(Panel(f"{term.capitalize()} loss", lines, f"{term} loss", "step", low=None, high=None))
    for environment in environments_of(runs):
        lines = []
        for factor in factors_of(runs):
            name = factor_name(factor)
            for index, run in enumerate(runs):
                if len(curve := _longest(run, factor, environment)) > 1:
                    look = {"colour": factor, "style": index, "end": name if index == 0 else ""}
                    lines.append(_line(line_label(name, run, runs), curve, **look))
        title = f"Own head, {environment_name(environment)} context"
        panels.append(Panel(title, lines, "R², pooled", "step", colour=panel_colour(environment)))
    panels = [panel for panel in panels if panel.lines]
    return picture_of(
        "training",
        "Training",
        panels,
        "Losses of the training batches, and R² of the model's own head on validation views at the longest context evaluated in training. The active "
        "factor should rise, the inactive one fall.",
        run_legend(runs),
    )


def _longest(run: Run, factor: str, environment: str) -> list[tuple[int, float]]:
    start = f"val/r2_pooled/{factor}/{environment}-"
    ends = [name.removeprefix(start) for name in run.training if name.startswith(start)]
    lengths = [int(end) for end in ends if end.isascii() and end.isdigit()]
    return list(run.training[f"{start}{max(lengths)}"]) if lengths else []


def _line(label: str, curve: Sequence[tuple[int, float]], **look: Any) -> Line:
    """At most :data:`POINTS` points: means of neighbours, so that no spike is picked or left out by chance."""
    size = -(-len(curve) // POINTS)
    pieces = [curve[start : start + size] for start in range(0, len(curve), size)]
    return Line(label, [piece[-1][0] for piece in pieces], [sum(value for _, value in piece) / len(piece) for piece in pieces], **look)
