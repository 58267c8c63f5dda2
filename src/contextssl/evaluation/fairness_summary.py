"""The numbers of the fairness protocol as one table: one row per context, or per baseline without context."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from contextssl.config.evaluation_settings import CLASSIFIERS
from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation_words
from contextssl.evaluation.summary import largest, written
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
SHORT = {"logistic": "log.", "mlp": "MLP", "boosting": "boost."}
# Metric, factor, target, head.
Key = tuple[str, str | None, str | None, str | None]


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
            title = Text(f"fairness: {split} split, {factor} and {target}, means over contexts", style="italic")
            parts += [title, _table(rows, factor, target)]
    return Group(*parts, Text(f"± is {deviation_words(rows)}", style="italic")) if parts else Group()


def _table(rows: Sequence[ResultRow], factor: str, target: str) -> Table:
    adversaries = [kind for kind in CLASSIFIERS if any(row.head == kind and row.target is None for row in rows)]
    columns: list[list[Key]] = [
        [("accuracy", factor, None, kind) for kind in adversaries],
        [("accuracy", None, target, "logistic")],
        [("equalized_odds_difference", factor, target, "logistic")],
        [("counterfactual_flips", factor, target, "logistic")],
        [("counterfactual_distance", factor, None, None)],
    ]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("representation", no_wrap=True)
    for name in ("pairs", "noise", f"{factor} by\n{'/'.join(SHORT[kind] for kind in adversaries)}", "task", "gap", "flips", "moves"):
        table.add_column(name, justify="right", no_wrap=True)
    for condition in dict.fromkeys(map(_condition, rows)):
        found = {_key(row): row for row in rows if _condition(row) == condition}
        representation, environment, length, noise = condition
        about = ("" if length is None else str(pairs_in(length)), f"{noise:g}" if noise else "")
        table.add_row(
            representation_name(representation, environment),
            *about,
            *("/".join(written(found.get(key), 3) for key in keys) for keys in columns),
        )
    floors = [row.floor for row in rows if row.metric == "accuracy" and row.factor == factor and row.floor is not None]
    tasks = [row.floor for row in rows if row.metric == "accuracy" and row.target == target and row.floor is not None]
    table.add_section()
    table.add_row("most frequent", "", "", f"{floors[0]:.3f}" if floors else "", f"{tasks[0]:.3f}" if tasks else "", "", "", "")
    table.add_row(
        "± at most", "", "", *("/".join(largest([row for row in rows if _key(row) == key], 3) for key in keys) for keys in columns)
    )
    return table


def _key(row: ResultRow) -> Key:
    return row.metric, row.factor, row.target, row.head


def _condition(row: ResultRow) -> tuple[str | None, str | None, int | None, float]:
    return row.representation, row.environment, row.length, row.bottleneck
