"""The adaptation in sentences, with numbers from the rows."""

from __future__ import annotations

from collections.abc import Callable

from contextssl.evaluation.contexts import pairs_words
from contextssl.factors import NO_FACTOR
from contextssl.records.results import ResultRow
from contextssl.report.collect import Run, at_length
from contextssl.report.figures import probe_curve
from contextssl.report.words import a_context, factor_name, floor_of, listed, number, percent


def headline(run: Run) -> list[str]:
    """One sentence per context of one factor, at 7 pairs (or the longest); then one without context."""
    if length := run.reported_length("geometry", "variance_share"):
        curves = {name: _by_factor(run, name, "geometry", "variance_share", None) for name in _of_one_factor(run)}
        return _sentences(curves, length, _shares)
    for protocol in ("probe", "online"):
        if length := run.reported_length(protocol, "r2_pooled"):
            curves = {name: _by_factor(run, name, protocol, "r2_pooled", "auxiliary") for name in _of_one_factor(run)}
            if any(curves.values()):
                return _sentences(curves, length, _scores)
    return []


def _of_one_factor(run: Run) -> list[str]:
    """Environments of one active factor, or of none."""
    return [name for name in run.environments if name in (*run.factors, NO_FACTOR)]


def _by_factor(run: Run, environment: str, protocol: str, metric: str, head: str | None) -> dict[str, list[ResultRow]]:
    """Curves of every factor, that of the environment first."""
    order = [environment, *(factor for factor in run.factors if factor != environment)]
    return {factor: rows for factor in order if (rows := run.curve(protocol, metric, environment, factor=factor, head=head))}


def _sentences(curves: dict[str, dict[str, list[ResultRow]]], length: int, words: Callable[[dict[str, ResultRow]], str]) -> list[str]:
    sentences = []
    for environment, by_factor in curves.items():
        if there := {factor: row for factor, rows in by_factor.items() if (row := at_length(rows, length)) is not None}:
            sentences.append(f"{pairs_words(length)} of {a_context(environment)}: {words(there)}.")
    first = next(iter(curves.values()), {})
    start = {factor: rows[0] for factor, rows in first.items() if rows[0].length == 0}
    if sentences and start:
        sentences.append(f"With no context: {words(start)}.")
    return sentences


def _shares(rows: dict[str, ResultRow]) -> str:
    (first, row), *others = rows.items()
    words = [f"{factor_name(first)} explains {percent(row.mean)} of the embedding's variance"]
    return listed([*words, *(f"{factor_name(factor)} {percent(other.mean)}" for factor, other in others)])


def _scores(rows: dict[str, ResultRow]) -> str:
    floors = {factor: "" if row.floor is None else f" (floor {number(row.floor, 2)})" for factor, row in rows.items()}
    words = [f"{factor_name(factor)} at R² {number(row.mean, 2)}{floors[factor]}" for factor, row in rows.items()]
    return f"the model's own head predicts {listed(words)}"


def probe_sentences(run: Run, probe: str, name: str) -> list[str]:
    """R² of fresh probes, called ``name``, at every noise share: one sentence per context."""
    length = run.reported_length("probe", "r2_pooled")
    if length is None:
        return []
    shares = sorted({row.bottleneck for row in run.rows if row.protocol == "probe"})
    sentences = []
    for environment in _of_one_factor(run):
        parts = []
        for factor in sorted(run.factors, key=lambda factor: factor == environment):
            curves = [probe_curve(run, probe, factor, environment, share) for share in shares]
            rows = [row for curve in curves if (row := at_length(curve, length)) is not None]
            if not rows:
                continue
            floor = floor_of(rows)
            noises = [f"at noise {row.bottleneck:g}" if row.bottleneck else "without noise" for row in rows]
            values = listed([f"{number(row.mean, 2)} {noise}" for row, noise in zip(rows, noises, strict=True)])
            role = "active" if factor == environment else "inactive"
            parts.append(f"{factor_name(factor)} ({role}) {values}{'' if floor is None else f', floor {number(floor, 2)}'}")
        if parts:
            sentences.append(f"{pairs_words(length)} of {a_context(environment)}, {name}: R² of {'; of '.join(parts)}.")
    return sentences


def bounds(run: Run, protocol: str, metric: str) -> list[str]:
    """Upper bounds on the information of a noisy embedding: about one factor each, or, by ``capacity_nats``, about everything together."""
    length = run.reported_length(protocol, metric)
    if length is None:
        return []
    said = []
    for environment in _of_one_factor(run):
        for factor in [None] if metric == "capacity_nats" else sorted(run.factors, key=lambda factor: factor == environment):
            rows = run.find(protocol=protocol, metric=metric, environment=environment, length=length, factor=factor)
            noisy = sorted((row for row in rows if row.bottleneck), key=lambda row: row.bottleneck)
            nats = listed([f"{number(row.mean, 1)} nats at noise {row.bottleneck:g}" for row in noisy])
            if nats:
                of = f" of {factor_name(factor)}" if factor else ""
                said.append(f"{nats}{of} in {pairs_words(length)} of {a_context(environment)}")
    return said
