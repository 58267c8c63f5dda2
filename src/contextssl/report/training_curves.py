"""The figure of training: losses, and R² of the model's own head, over steps."""

from __future__ import annotations

from collections.abc import Sequence

from contextssl.report.collect import Run
from contextssl.report.figures import environments_of, factors_of, panel_colour, run_legend
from contextssl.report.panels import Line, Panel, Picture
from contextssl.report.words import environment_name, factor_name

# Longest curve of a meter that a page carries.
POINTS = 300


def training(runs: Sequence[Run]) -> Picture | None:
    """Losses, and R² of the model's own head on validation views, over steps."""
    losses = [("train/contrastive_loss", "contrastive loss"), ("train/auxiliary_loss", "auxiliary loss")]
    panels = []
    for meter, title in losses:
        lines = [
            _training_line(run.name, run.training[meter], style=index)
            for index, run in enumerate(runs)
            if len(run.training.get(meter, ())) > 1
        ]
        if lines:
            panels.append(Panel(title[0].upper() + title[1:], lines, title, "step", low=None, high=None))
    for environment in environments_of(runs):
        lines = []
        for factor in factors_of(runs):
            for index, run in enumerate(runs):
                curve = _longest(run, factor, environment)
                if len(curve) > 1:
                    name = factor_name(factor)
                    label = f"{name}, {run.name}" if len(runs) > 1 else name
                    lines.append(_training_line(label, curve, colour=factor, style=index, end=name if index == 0 else ""))
        if lines:
            title = f"Own head, {environment_name(environment)} context"
            panels.append(Panel(title, lines, "R², pooled", "step", colour=panel_colour(environment)))
    if not panels:
        return None
    return Picture(
        "training",
        "Training",
        panels,
        "Losses of the training batches, and R² of the model's own head on validation views at the longest context evaluated in training. The active "
        "factor should rise, the inactive one fall.",
        run_legend(runs),
    )


def _longest(run: Run, factor: str, environment: str) -> list[tuple[int, float]]:
    start = f"val/r2_pooled/{factor}/{environment}-"
    lengths = [int(name.removeprefix(start)) for name in run.training if name.startswith(start) and name.removeprefix(start).isdigit()]
    return list(run.training[f"{start}{max(lengths)}"]) if lengths else []


def _training_line(label: str, curve: Sequence[tuple[int, float]], **look: object) -> Line:
    points = _thinned(curve)
    return Line(label, [step for step, _ in points], [value for _, value in points], **look)  # type: ignore[arg-type]


def _thinned(curve: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most :data:`POINTS` points: means of neighbours, so that no spike is picked or left out by chance."""
    size = -(-len(curve) // POINTS)
    pieces = [curve[start : start + size] for start in range(0, len(curve), size)]
    return [(piece[-1][0], sum(value for _, value in piece) / len(piece)) for piece in pieces]
