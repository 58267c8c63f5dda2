"""Tables of results: the paper's rows next to ours, retrieval, and every number of a protocol."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.fairness_summary import BASELINE_NAMES
from contextssl.protocol import metric_of
from contextssl.records.results import ResultRow
from contextssl.report import paper_numbers
from contextssl.report.collect import Run, at_length
from contextssl.report.entries import placed
from contextssl.report.figures import factors_of
from contextssl.report.markup import Content, Markup, element, group_row, join, table, table_row
from contextssl.report.panels import Panel, Picture
from contextssl.report.words import context_name, environment_name, factor_name, floor_of, head_name, measured, metric_name, number

RETRIEVAL = ("mrr", "hit@1", "hit@2", "hit@5", "hit@10")
# Of a row: what the number is, and where it was measured.
NUMBER_FIELDS = ("metric", "factor", "head", "target")
CONDITION_FIELDS = ("representation", "environment", "length", "bottleneck", "context")
NUMBER: Callable[[ResultRow], tuple[Any, ...]] = attrgetter(*NUMBER_FIELDS)
CONDITION: Callable[[ResultRow], tuple[Any, ...]] = attrgetter(*CONDITION_FIELDS)


def results_table(runs: Sequence[Run]) -> Markup | None:
    """The paper's rows: its probes of each factor and of the class, by context: pooled R², R² per dimension, mean angle."""
    runs = [run for run in runs if run.has("equivariance") or run.has("probe")]
    if not runs:
        return None
    asked = [("equivariance", metric, factor) for factor in factors_of(runs) for metric in ("r2_pooled", "r2", "angle_deg")]
    asked += [("probe", "accuracy", "class"), ("probe", "balanced_accuracy", "class")]
    columns = [{"protocol": protocol, "metric": metric, "factor": factor} for protocol, metric, factor in asked]
    columns = [column for column in columns if any(run.first(**column) for run in runs)]
    head: list[Content] = ["", *(join(factor_name(column["factor"]), element("br"), metric_name(column["metric"])) for column in columns)]
    body: list[Sequence[Content] | Markup] = []
    for run in runs:
        body.append(group_row(run.name, len(head)))
        heads = [_head_of(run, **column) for column in columns]
        found: list[list[ResultRow]] = [[] for _ in columns]
        for label, environment, fields in _conditions(run):
            rows = [run.first(head=head, bottleneck=0.0, **column, **fields) for column, head in zip(columns, heads, strict=True)]
            if not any(rows):
                continue
            for place, row in zip(found, rows, strict=True):
                place += [row] if row is not None else []
            active = (environment or "").split("+")
            marks = ["active" if column["factor"] in active else None for column in columns]
            body.append([label, *(element("span", measured(row), class_=mark) for row, mark in zip(rows, marks, strict=True))])
        body.append(["floor: a constant, or the most frequent class", *(floor_cell(rows) for rows in found)])
        body.append(["probe", *map(head_name, heads)])
    body.append(group_row(f"The paper: {paper_numbers.SETTING}{_not_comparable(runs)}", len(head)))
    body += list(_paper_rows(columns))
    return table(head, body)


def _paper_rows(columns: Sequence[Mapping[str, str]]) -> Iterator[Markup]:
    for method in paper_numbers.figure3():
        values = {("r2_pooled", "rotation"): method.rotation, ("r2_pooled", "color"): method.color, ("accuracy", "class"): method.accuracy}
        cells = [values.get((column["metric"], column["factor"])) for column in columns]
        label = f"{factor_name(method.group)}: {method.name}"
        yield table_row([label, *("" if value is None else number(value) for value in cells)], class_="paper")


def _not_comparable(runs: Sequence[Run]) -> str:
    return "" if all(run.in_papers_setting for run in runs) else " (other data, size or encoder: not comparable)"


def _conditions(run: Run) -> Iterator[tuple[str, str | None, dict[str, object]]]:
    """The encoder's features, embeddings with no context, and each environment at 7 pairs and at its longest, or given by name."""
    yield "encoder's features, no context", None, {"representation": "feature"}
    yield "no context", None, placed("embedding", None, 0)
    lengths = sorted({row.length for row in run.rows if row.protocol in ("equivariance", "probe") and row.length})
    shown = [0] if run.takes_environment_name else [length for length in lengths if length in (14, lengths[-1])]
    for environment, length in itertools.product(run.environments, shown):
        yield context_name(environment, length), environment, placed("embedding", environment, length)


def _head_of(run: Run, protocol: str, metric: str, factor: str) -> str | None:
    """The paper's head where it was run, else ridge, else whatever there is."""
    there = [row.head for row in run.find(protocol=protocol, metric=metric, factor=factor) if row.head != "auxiliary"]
    wanted = run.published_head(factor, protocol) or ("linear" if factor == "class" else None)
    return wanted if wanted in there else "ridge" if "ridge" in there else there[0] if there else None


def floor_cell(rows: list[ResultRow]) -> str:
    floor = floor_of(rows)
    if floor is None:
        return ""
    metric = metric_of(rows[0].metric)
    return number(floor, metric.digits if metric.unit else 3) + metric.unit


def retrieval_table(runs: Sequence[Run]) -> Markup | None:
    runs = [run for run in runs if run.has("retrieval")]
    if not runs:
        return None
    identity = [metric for metric in ("mrr_with_identity", "hit@1_with_identity") if any(run.find(metric=metric) for run in runs)]
    factors = [factor for factor in factors_of(runs) if any(run.find(metric="pre", factor=factor) for run in runs)]
    columns: list[tuple[str, str | None]] = [(metric, None) for metric in (*RETRIEVAL, *identity)] + [("pre", factor) for factor in factors]
    head = ["context", "pairs", *(metric_name(metric) + (f", {factor_name(factor)}" if factor else "") for metric, factor in columns)]
    body: list[Sequence[Content] | Markup] = []
    for run in runs:
        count = max((row.count or 0 for row in run.find(protocol="retrieval", metric="mrr")), default=0)
        split = "train split, as published" if run.retrieval_as_published else f"{run.split} split"
        body.append(group_row(f"{run.name}, {split}, {count:,} queries", len(head)))
        for environment in run.environments:
            curves = [run.curve("retrieval", metric, environment, factor=factor) for metric, factor in columns]
            for length in sorted({row.length or 0 for curve in curves for row in curve}):
                body.append(
                    [environment_name(environment), str(pairs_in(length)), *(measured(at_length(curve, length)) for curve in curves)]
                )
        found = [run.find(protocol="retrieval", metric=metric, factor=factor) for metric, factor in columns]
        body.append(["chance", "", *(floor_cell(rows) for rows in found)])
    body.append(group_row(f"The paper: {paper_numbers.SETTING}, rotation context, 50 views{_not_comparable(runs)}", len(head)))
    for name, values in paper_numbers.table1().items():
        first, pairs = ("rotation", str(pairs_in(int(name)))) if name.isdigit() else (name, "")
        cells = [number(values[metric]) if metric in values else "" for metric, _ in columns]
        body.append(table_row([first, pairs, *cells], class_="paper"))
    return table(head, body)


def every_number(run: Run, protocol: str) -> Markup:
    """All rows of a protocol: one row per context (and noise share), one column per metric."""
    rows = run.find(protocol=protocol)
    columns = list(dict.fromkeys(map(NUMBER, rows)))
    noisy = any(row.bottleneck for row in rows)
    cells = {(CONDITION(row), NUMBER(row)): row for row in rows}
    head = ["context", "pairs", *(["noise"] if noisy else []), *(column_title(*column) for column in columns)]
    body: list[Sequence[Content] | Markup] = []
    for condition in dict.fromkeys(map(CONDITION, rows)):
        representation, environment, length, share, disturbed = condition
        first = "features" if representation == "feature" else BASELINE_NAMES.get(representation, environment_name(environment))
        first = f"prediction, {first}" if representation == "prediction" else first
        first = f"{first}, {disturbed}" if disturbed else first
        marks = [first, "" if length is None else str(pairs_in(length)), *([f"{share:g}"] if noisy else [])]
        body.append([*marks, *(measured(cells.get((condition, column))) for column in columns)])
    floors = [floor_cell([row for row in rows if NUMBER(row) == column and row.floor is not None]) for column in columns]
    body.append(["floor", "", *([""] if noisy else []), *floors])
    return table(head, body)


def column_title(metric: str, factor: str | None, head: str | None, target: str | None = None) -> str:
    about = " and ".join(part for part in (target, factor_name(factor)) if part)
    return ", ".join(part for part in (f"{about} {metric_name(metric)}".strip(), head_name(head)) if part)


def numbers_of(picture: Picture) -> Markup:
    """The numbers of a figure: one table per panel."""
    return join([_panel_table(panel) for panel in picture.panels if panel.ticks is not None])


def _panel_table(panel: Panel) -> Markup:
    assert panel.ticks is not None
    body: list[Sequence[Content] | Markup] = []
    for place, text in panel.ticks:
        cells = []
        for line in panel.lines:
            around = line.deviation or [0.0] * len(line.y)
            found = [(y, d) for x, y, d in zip(line.x, line.y, around, strict=True) if abs(x - place) < 1e-9]
            cells.append(_valued(*found[0]) if found else "")
        body.append([text, *cells])
    body += [[f"floor, {floor.label}", *[""] * len(panel.lines)] for floor in panel.floors]
    return table([panel.xlabel, *(line.label for line in panel.lines)], body, caption=panel.title)


def _valued(value: float, deviation: float) -> str:
    return number(value) + (f" ± {number(deviation)}" if deviation and math.isfinite(value) else "")
