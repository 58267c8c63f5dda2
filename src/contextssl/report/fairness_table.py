"""Fairness on the page: task accuracy against the gap between groups and against the best adversary, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contextssl.config.evaluation_settings import CLASSIFIERS
from contextssl.evaluation.contexts import pairs_words
from contextssl.evaluation.fairness_summary import BASELINE_NAMES, representation_name
from contextssl.records.results import ResultRow
from contextssl.report.collect import Run
from contextssl.report.entries import placed
from contextssl.report.markup import Content, Markup, element, table
from contextssl.report.panels import Line, Panel, Picture, picture_of
from contextssl.report.words import capitalised, factor_name, head_name, listed, measured, metric_name, number

PROTOCOL = "fairness"
GAPS = ("equalized_odds_difference", "equal_opportunity_difference", "demographic_parity_difference")
# Of points in the figure: contexts by colour, baselines by marker.
BASELINE_MARKS = {"raw": 2, "raw-without": 3, "erased-context": 4, "erased-train": 5, "none-erased": 0, "scarf": 1}


@dataclass(frozen=True)
class Condition:
    """A representation in a context, under a noise share."""

    representation: str | None
    environment: str | None
    length: int | None
    noise: float

    @property
    def name(self) -> str:
        pairs = f", {pairs_words(self.length)}" if self.length else ""
        noise = f", noise {self.noise:g}" if self.noise else ""
        return f"{representation_name(self.representation, self.environment)}{pairs}{noise}"


@dataclass(frozen=True)
class Asked:
    """All rows of one run about one factor and one target."""

    run: Run
    factor: str
    target: str

    def conditions(self) -> list[Condition]:
        rows = self.run.find(protocol=PROTOCOL)
        longest = max((row.length or 0 for row in rows), default=0)
        found = dict.fromkeys(Condition(row.representation, row.environment, row.length, row.bottleneck) for row in rows)
        return [condition for condition in found if condition.length in (None, 0, longest)]

    def row(self, condition: Condition, metric: str, *, factor: str | None, target: str | None, head: str | None) -> ResultRow | None:
        where = placed(condition.representation, condition.environment, condition.length)
        named = {"metric": metric, "factor": factor, "target": target, "head": head}
        return self.run.first(protocol=PROTOCOL, bottleneck=condition.noise, **where, **named)

    def adversary(self, condition: Condition, head: str) -> ResultRow | None:
        """The accuracy of a freshly trained classifier of the factor."""
        return self.row(condition, "accuracy", factor=self.factor, target=None, head=head)

    def best_adversary(self, condition: Condition) -> ResultRow | None:
        rows = [row for head in CLASSIFIERS if (row := self.adversary(condition, head)) is not None]
        return max(rows, key=lambda row: row.mean, default=None)

    def task(self, condition: Condition, metric: str = "accuracy", head: str = "logistic") -> ResultRow | None:
        return self.row(condition, metric, factor=None, target=self.target, head=head)

    def gap(self, condition: Condition, metric: str, head: str = "logistic") -> ResultRow | None:
        return self.row(condition, metric, factor=self.factor, target=self.target, head=head)


def asked(runs: Sequence[Run]) -> Iterator[Asked]:
    """Every run's factors and targets."""
    for run in runs:
        rows = run.find(protocol=PROTOCOL)
        for factor in dict.fromkeys(row.factor for row in rows if row.factor is not None):
            for target in dict.fromkeys(row.target for row in rows if row.target is not None):
                yield Asked(run, factor, target)


def tradeoff(runs: Sequence[Run]) -> Picture | None:
    """One point per method and context: task accuracy against the gap between groups, and against the best adversary of the factor."""
    panels: list[Panel] = []
    legend: dict[tuple[str, str, int], None] = {}
    look: dict[str, Any] = {"low": None, "high": None, "whole": False}
    for each in asked(runs):
        gaps, adversaries = [], []
        for condition in each.conditions():
            for head in CLASSIFIERS if condition.representation == "raw" else ("logistic",):
                task, gap = each.task(condition, head=head), each.gap(condition, GAPS[0], head)
                if task is None or gap is None:
                    continue
                name = condition.name if head == "logistic" else f"{condition.name}, {head_name(head)}"
                colour, style = _look(condition, each.factor)
                # The raw columns' three classifiers share a marker; the table distinguishes them.
                legend.setdefault((condition.name, colour, style), None)
                gaps.append(Line(name, [gap.mean], [task.mean], colour=colour, style=style))
                best = each.best_adversary(condition)
                if best is not None and not name.startswith(BASELINE_NAMES["raw"] + ","):
                    adversaries.append(Line(name, [best.mean], [task.mean], colour=colour, style=style))
        if not gaps:
            continue
        title = f"{each.target}, {factor_name(each.factor)}"
        title = f"{each.run.name}: {title}" if len(runs) > 1 else title
        panels.append(Panel(title, gaps, f"accuracy, {each.target}", "equalized-odds gap (0: none)", **look))
        title = f"Adversaries of {factor_name(each.factor)}"
        panels.append(Panel(title, adversaries, f"accuracy, {each.target}", "best adversary's accuracy", **look))
    return picture_of(
        "fairness",
        "Task accuracy against group gaps and adversaries",
        panels,
        "Every point is a method or a context; higher is more accurate on the task. Left panel: further left is a smaller gap between groups. Right "
        "panel: further left, a freshly trained adversary is less accurate on the factor. Contexts of one model share its weights. The task is "
        "predicted by logistic regression; from raw columns also by an MLP and gradient boosting.",
        list(legend),
    )


def _look(condition: Condition, factor: str) -> tuple[str, int]:
    """Colour and marker of a point."""
    if condition.representation in BASELINE_MARKS:
        return "muted", BASELINE_MARKS[condition.representation]
    active = (condition.environment or "").split("+")
    colour = "ink" if condition.environment is None else factor if factor in active else "class"
    return colour, 1 if condition.noise else 0


def fairness_table(each: Asked) -> Markup:
    """One row per condition: adversaries, the task, the gaps, what a flipped factor changes."""
    conditions = each.conditions()
    gaps = [gap for gap in GAPS if any(each.gap(condition, gap) for condition in conditions)]
    adversaries = [head for head in CLASSIFIERS if any(each.adversary(condition, head) for condition in conditions)]
    # Numbers of the factor alone, by no head.
    alone = ["counterfactual_distance"]
    if each.run.first(protocol=PROTOCOL, metric="factor_nats", factor=each.factor):
        alone.append("factor_nats")
    head = [
        "representation",
        *(f"{factor_name(each.factor)} by {head_name(head)}" for head in adversaries),
        f"{each.target}, accuracy",
        f"{each.target}, AUROC",
        *(metric_name(gap) for gap in gaps),
        "prediction flips",
        *["a flip moves", "bound on the information, nats"][: len(alone)],
    ]
    body: list[Sequence[Content] | Markup] = []
    for condition in conditions:
        rows = [
            *(each.adversary(condition, head) for head in adversaries),
            each.task(condition),
            each.task(condition, "auroc"),
            *(each.gap(condition, gap) for gap in [*gaps, "counterfactual_flips"]),
            *(each.row(condition, metric, factor=each.factor, target=None, head=None) for metric in alone),
        ]
        body.append([condition.name, *map(measured, rows)])
    best, task = each.best_adversary(conditions[0]), each.task(conditions[0])
    floors = ["the most frequent value", *[_floor(best)] * len(adversaries), _floor(task)]
    body.append([*floors, *[""] * (len(head) - len(floors))])
    return table(head, body)


def _floor(row: ResultRow | None) -> str:
    return "" if row is None or row.floor is None else number(row.floor)


def sentences_of(each: Asked) -> list[str]:
    """The trade-off in sentences, in each context and from the raw columns without the factor."""
    baseline = each.best_adversary(Condition("raw-without", None, None, 0.0))
    sentences = []
    for condition in each.conditions():
        best, task, gap = each.best_adversary(condition), each.task(condition), each.gap(condition, GAPS[0])
        flips = each.gap(condition, "counterfactual_flips")
        if condition.environment is None or best is None or task is None or gap is None or flips is None:
            continue
        parts = [
            f"the best adversary predicts {factor_name(each.factor)} with accuracy {number(best.mean)}",
            f"{each.target} is predicted with accuracy {number(task.mean)}",
            f"the equalized-odds gap is {number(gap.mean)}",
            f"{number(100 * flips.mean, 1)} % of predictions change with {factor_name(each.factor)} alone",
        ]
        sentences.append(f"{condition.name}: {listed(parts)}.")
    if baseline is not None and sentences:
        sentences.append(
            f"From the raw columns without {factor_name(each.factor)} an adversary predicts it with accuracy {number(baseline.mean)}."
        )
    return sentences


def section_content(runs: Sequence[Run]) -> list[Markup]:
    """Sentences and tables of every run, factor and target."""
    parts = []
    for each in asked(runs):
        name = f"{each.run.name}: " if len(runs) > 1 else ""
        parts += [
            element("h3", f"{name}{each.target} and {factor_name(each.factor)}"),
            element("ul", [element("li", sentence) for sentence in sentences_of(each)], class_="plain"),
            fairness_table(each),
        ]
    notes = dict.fromkeys(note for run in runs for note in run.evaluations.get(PROTOCOL, {}).get("notes", ()))
    data_notes = dict.fromkeys(note for run in runs for note in run.about.get("data", {}).get("notes", ()))
    return [*parts, *(element("p", f"{capitalised(note)}.") for note in [*notes, *data_notes])]
