"""A run on a terminal of 80 columns: one row per context, the numbers that show its adaptation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from contextssl.evaluation.contexts import pairs_words
from contextssl.factors import NO_FACTOR
from contextssl.records.results import ResultRow
from contextssl.report.collect import Run, at_length
from contextssl.report.words import environment_name, factor_name, floor_of, number

# The noise share under which a fresh ridge regression, an adversary, is fitted.
NOISE = 0.3
# Neighbours on a line.
SHOWN = 4

COLUMNS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("share", {"protocol": "geometry", "metric": "variance_share", "head": None}),
    ("kNN", {"protocol": "geometry", "metric": "r2_pooled", "head": "knn"}),
    ("own head", {"protocol": "probe", "metric": "r2_pooled", "head": "auxiliary"}),
    ("noisy ridge", {"protocol": "probe", "metric": "r2_pooled", "head": "ridge", "bottleneck": NOISE}),
)
RETRIEVAL = "MRR"


def adaptation_screen(run: Run) -> Table | None:
    """No context, and each environment at 7 pairs (or the longest context): each cell a mean over contexts for every factor; the last row
    what a constant predictor, or chance, scores. None where nothing was evaluated.
    """
    length = run.reported_length("geometry", "variance_share") or run.reported_length("probe", "r2_pooled")
    if length is None:
        return None
    columns = [(title, [_finder(run, factor=factor, **fields) for factor in run.factors]) for title, fields in COLUMNS]
    columns.append((RETRIEVAL, [_finder(run, protocol="retrieval", metric="mrr")]))
    if run.context_kind == "examples":
        # One of its contexts may ask for the item alone.
        columns.append(("class", [_finder(run, protocol="geometry", metric="variance_share", head=None, factor="class")]))
    columns = [(title, finders) for title, finders in columns if any(find(name) for find in finders for name in run.environments)]
    table = _table(" / ".join(map(factor_name, run.factors)), *(title for title, _ in columns))
    for environment, at in [(None, 0), *((environment, length) for environment in run.environments)]:
        name = "no context" if environment is None else f"{environment_name(environment)}, {pairs_words(at)}"
        if run.context_kind == "examples":
            name = "no examples" if environment is None else f"same {_kept(environment)}, {pairs_words(at)}"
        cells = []
        for title, finders in columns:
            # Without a context one number serves all environments, but for retrieval: there the action still differs.
            asked = [environment] if environment else run.environments[: None if title == RETRIEVAL else 1]
            cells.append("/".join(_written(find(name), at) for find in finders for name in asked))
        table.add_row(name, *cells)
    first = run.environments[0]
    table.add_row("constant, chance", *("/".join(_floor(find(first)) for find in finders) for _, finders in columns), style="dim")
    return table


def neighbours_screen(gallery: Mapping[str, Any]) -> Table:
    """The first query of a gallery: how far its nearest views are from it, without examples and after those of each environment."""
    asked = gallery["queries"][0]
    table = _table(f"nearest views of a {asked['class']}", *(f"{factor_name(factor)} apart" for factor in asked["apart"]))
    rows = {f"same {_kept(name)}": under["neighbours"] for name, under in asked["environments"].items()}
    for name, near in {"no examples": asked["without"], **rows}.items():
        table.add_row(name, *("  ".join(entry["apart"][factor] for entry in near[:SHOWN]) for factor in asked["apart"]))
    return table


def _table(first: str, *titles: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _kept(environment: str) -> str:
    """What the two views of an example share."""
    return "object" if environment == NO_FACTOR else environment_name(environment)


def _finder(run: Run, protocol: str = "", metric: str = "", **fields: object) -> Callable[[str | None], list[ResultRow]]:
    return lambda environment: run.curve(protocol, metric, environment, **fields)


def _written(rows: list[ResultRow], length: int) -> str:
    # How far the head of an inactive factor falls below the floor means nothing.
    row = at_length(rows, length)
    return "–" if row is None else "<−1" if row.mean < -1 else number(row.mean, 2)


def _floor(rows: list[ResultRow]) -> str:
    floor = floor_of(rows)
    return "" if floor is None else number(floor, 2)
