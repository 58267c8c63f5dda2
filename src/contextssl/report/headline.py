"""The adaptation in sentences, with numbers from the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contextssl.factors import NO_FACTOR
from contextssl.records.results import ResultRow
from contextssl.report.collect import Run
from contextssl.report.words import a_context, factor_name, floor_of, listed, number, percent


def headline(run: Run) -> list[str]:
    """One sentence per context of one factor, at 14 tokens (or the longest); then one without context."""
    if length := run.reported_length("geometry", "variance_share"):
        curves = {name: _by_factor(run, name, "geometry", "variance_share", None) for name in _of_one_factor(run)}
        return _sentences(run, curves, length, _shares)
    for protocol, who in (("probe", "the model's own head"), ("online", "the model's own head")):
        if length := run.reported_length(protocol, "r2_pooled"):
            curves = {name: _by_factor(run, name, protocol, "r2_pooled", "auxiliary") for name in _of_one_factor(run)}
            if any(curves.values()):
                return _sentences(run, curves, length, lambda rows, who=who: _scores(rows, who))  # type: ignore[misc]
    return []


def _of_one_factor(run: Run) -> list[str]:
    """Environments of one active factor, or of none."""
    return [name for name in run.environments if name in (*run.factors, NO_FACTOR)]


def _by_factor(run: Run, environment: str, protocol: str, metric: str, head: str | None) -> dict[str, list[ResultRow]]:
    """Curves of every factor, that of the environment first."""
    order = [environment, *(factor for factor in run.factors if factor != environment)]
    found = {factor: run.curve(protocol, metric, environment, factor=factor, head=head) for factor in order}
    return {factor: rows for factor, rows in found.items() if rows}


def _sentences(
    run: Run, curves: dict[str, dict[str, list[ResultRow]]], length: int, words: Callable[[dict[str, ResultRow]], str]
) -> list[str]:
    sentences = []
    for environment, by_factor in curves.items():
        at = {factor: next((row for row in rows if row.length == length), None) for factor, rows in by_factor.items()}
        there = {factor: row for factor, row in at.items() if row is not None}
        if there:
            sentences.append(f"{length} tokens of {a_context(environment)}: {words(there)}.")
    first = next(iter(curves.values()), {})
    start = {factor: rows[0] for factor, rows in first.items() if rows[0].length == 0}
    if sentences and start:
        sentences.append(f"With no context: {words(start)}.")
    return sentences


def _shares(rows: dict[str, ResultRow]) -> str:
    (first, row), *others = rows.items()
    words = [f"{factor_name(first)} explains {percent(row.mean)} of the embedding's variance"]
    return listed([*words, *(f"{factor_name(factor)} {percent(other.mean)}" for factor, other in others)])


def _scores(rows: dict[str, ResultRow], who: str) -> str:
    words = [f"{factor_name(factor)} at R² {number(row.mean, 2)}{_floor(row)}" for factor, row in rows.items()]
    return f"{who} predicts {listed(words)}"


def _floor(row: ResultRow) -> str:
    return "" if row.floor is None else f" (floor {number(row.floor, 2)})"


def probe_sentences(run: Run, probe_curve: Callable[..., list[ResultRow]], probes: Sequence[tuple[str, str]]) -> list[str]:
    """R² of fresh probes at every noise share, one sentence per context and probe."""
    length = run.reported_length("probe", "r2_pooled")
    if length is None:
        return []
    shares = sorted({row.bottleneck for row in run.rows if row.protocol == "probe"})
    sentences = []
    for environment in _of_one_factor(run):
        for probe, name in probes:
            parts = []
            for factor in sorted(run.factors, key=lambda factor: factor == environment):
                found = [(share, _at(probe_curve(run, probe, factor, environment, share), length)) for share in shares]
                rows = [(share, row) for share, row in found if row is not None]
                if not rows:
                    continue
                floor = floor_of([row for _, row in rows])
                values = listed([f"{number(row.mean, 2)} {f'at noise {share:g}' if share else 'without noise'}" for share, row in rows])
                role = "active" if factor == environment else "inactive"
                parts.append(f"{factor_name(factor)} ({role}) {values}{'' if floor is None else f', floor {number(floor, 2)}'}")
            if parts:
                sentences.append(f"{length} tokens of {a_context(environment)}, {name}: R² of {'; of '.join(parts)}.")
    return sentences


def factor_bounds(run: Run) -> list[str]:
    """Upper bounds on the information of a noisy embedding about one factor."""
    length = run.reported_length("geometry", "factor_nats")
    said = []
    for environment in _of_one_factor(run):
        for factor in sorted(run.factors, key=lambda factor: factor == environment):
            fields = {"metric": "factor_nats", "environment": environment, "length": length, "factor": factor}
            if nats := _nats(run.find(protocol="geometry", **fields)):
                said.append(f"{nats} of {factor_name(factor)} in {length} tokens of {a_context(environment)}")
    return said


def _nats(rows: Sequence[ResultRow]) -> str:
    noisy = sorted((row for row in rows if row.bottleneck), key=lambda row: row.bottleneck)
    return listed([f"{number(row.mean, 1)} nats at noise {row.bottleneck:g}" for row in noisy]) if noisy else ""


def bounds(run: Run) -> list[str]:
    """Upper bounds on the information of a noisy embedding about everything together."""
    length = run.reported_length("probe", "capacity_nats")
    sentences = []
    for environment in _of_one_factor(run):
        if nats := _nats(run.find(protocol="probe", metric="capacity_nats", environment=environment, length=length)):
            sentences.append(f"{nats} in {length} tokens of {a_context(environment)}")
    return sentences


def _at(rows: list[ResultRow], length: int) -> ResultRow | None:
    return next((row for row in rows if row.length == length), None)
