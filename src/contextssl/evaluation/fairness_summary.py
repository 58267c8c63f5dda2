"""The numbers of the fairness protocol as one table: one row per context, or per baseline without context."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from contextssl.config.evaluation_settings import CLASSIFIERS
from contextssl.evaluation.deviations import deviation, deviation_words
from contextssl.factors import NO_FACTOR
from contextssl.records.results import ResultRow

BASELINE_NAMES = {
    "raw": "raw columns",
    "raw-without": "raw, no factor",
    "erased-context": "LEACE, context",
    "erased-train": "LEACE, all rows",
    "none-erased": "no factor, LEACE",
    "scarf": "SCARF",
}


_SHORT = {"logistic": "log.", "mlp": "MLP", "boosting": "boost."}


def representation_name(representation: str | None, environment: str | None) -> str:
    """A baseline's name, or the active factors of the embedding's context."""
    if representation in BASELINE_NAMES:
        return BASELINE_NAMES[representation]
    if environment is None:
        return "no context"
    return "no factor active" if environment == NO_FACTOR else f"{environment} active"


def fairness_summary(rows: Sequence[ResultRow], split: str) -> Group:
    """Per factor and target: accuracy of adversaries, accuracy of the task, the gap between groups, what a flip changes.

    Means over contexts; a cell of adversaries holds the accuracy of each, in the order of the title. ``gap`` is of equalized odds, ``flips`` the
    share of predictions that change when the factor alone is replaced, ``moves`` how far that moves a row.
    """
    rows = [row for row in rows if row.protocol == "fairness" and row.split == split]
    parts: list[Table | Text] = []
    targets = list(dict.fromkeys(row.target for row in rows if row.target is not None))
    for factor in dict.fromkeys(row.factor for row in rows if row.factor is not None):
        for target in targets:
            parts += [Text(f"fairness: {split} split, {factor} and {target}, means over contexts", style="italic")]
            parts += [_table(rows, factor, target)]
    return Group(*parts, Text(f"± is {deviation_words(rows)}", style="italic")) if parts else Group()


def _table(rows: Sequence[ResultRow], factor: str, target: str) -> Table:
    adversaries = [kind for kind in CLASSIFIERS if any(row.head == kind and row.target is None for row in rows)]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("representation", no_wrap=True)
    for name in ("tok.", "noise", f"{factor} by\n{'/'.join(_SHORT[kind] for kind in adversaries)}", "task", "gap", "flips", "moves"):
        table.add_column(name, justify="right", no_wrap=True)
    for condition in dict.fromkeys(map(_condition, rows)):
        found = {(row.metric, row.factor, row.target, row.head): row for row in rows if _condition(row) == condition}
        representation, environment, length, noise = condition
        name = representation_name(representation, environment)

        def cell(metric: str, *key: str | None, found: dict[tuple[str, ...], ResultRow] = found) -> str:  # type: ignore[assignment]
            row = found.get((metric, *key))  # type: ignore[arg-type]
            return "" if row is None else "–" if row.mean != row.mean else f"{row.mean:.3f}"

        table.add_row(
            name,
            "" if length is None else str(length),
            f"{noise:g}" if noise else "",
            "/".join(cell("accuracy", factor, None, kind) for kind in adversaries),
            cell("accuracy", None, target, "logistic"),
            cell("equalized_odds_difference", factor, target, "logistic"),
            cell("counterfactual_flips", factor, target, "logistic"),
            cell("counterfactual_distance", factor, None, None),
        )
    floors = [row.floor for row in rows if row.metric == "accuracy" and row.factor == factor and row.floor is not None]
    tasks = [row.floor for row in rows if row.metric == "accuracy" and row.target == target and row.floor is not None]
    table.add_section()
    table.add_row("most frequent", "", "", f"{floors[0]:.3f}" if floors else "", f"{tasks[0]:.3f}" if tasks else "", "", "", "")
    largest = [
        "/".join(_largest(rows, "accuracy", factor, None, kind) for kind in adversaries),
        _largest(rows, "accuracy", None, target, "logistic"),
        _largest(rows, "equalized_odds_difference", factor, target, "logistic"),
        _largest(rows, "counterfactual_flips", factor, target, "logistic"),
        _largest(rows, "counterfactual_distance", factor, None, None),
    ]
    table.add_row("± at most", "", "", *largest)
    return table


def _largest(rows: Sequence[ResultRow], *key: str | None) -> str:
    """The largest ± of a column."""
    known = [error for row in rows if (row.metric, row.factor, row.target, row.head) == key and (error := deviation(row)) is not None]
    return f"{max(known):.3f}" if known else ""


def _condition(row: ResultRow) -> tuple[str | None, str | None, int | None, float]:
    return row.representation, row.environment, row.length, row.bottleneck
