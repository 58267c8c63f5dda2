"""Result rows: one flat record per number, and the file that holds them. Reports and comparisons read only this."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from contextssl.config.published_words import RENAMED_PROTOCOLS, by_current_names
from contextssl.errors import DataError, NewerFormatError
from contextssl.records.alarms import are_alarms
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.locks import locked

RESULTS = "results.json"
DAMAGED = "results.damaged.json"
# Under this name the description of a run has the checksum of its metrics.csv.
METRICS_CHECKSUM = "metrics_crc32"
FORMAT = 1
LOCK = ".results.lock"
# Protocols of rows that training writes: of its validation pairs, and of what a frozen encoder's features hold.
OF_TRAINING = ("online", "features")


@dataclass(frozen=True)
class ResultRow:
    """One number, with all that is needed to understand it.

    Args:
        protocol: which evaluation, such as ``"online"`` (while training), ``"features"`` (before it, of a frozen encoder), ``"probe"``,
            ``"retrieval"``.
        metric: ``"r2_pooled"`` (the published R²), ``"r2"`` (a dimension), ``"accuracy"``, ``"mrr"``, …
        factor: the factor that it is about, or ``"class"``; of differences between groups of people, which factor groups them.
        environment: of the context; at length 0 that of the action, or the name that a model without pairs is given.
        length: of the context, in tokens.
        representation: ``"feature"`` or ``"embedding"``; of baselines without a context ``"raw"``, ``"raw-without"`` (raw columns with and without
            the factors'), ``"erased-context"``, ``"erased-train"`` (embeddings after linear erasure, by what it was fitted on; features in
            ``"erasure"``), ``"erased-train-basis"`` (features after erasure of polynomials of the factors), ``"none-erased"`` (embeddings in
            contexts without active factors, after erasure), ``"scarf"``.
        head: the probe or head that it was measured by: ``"auxiliary"``, ``"mlp"``, ``"linear"``, ``"ridge"``, ``"knn"``, ``"logistic"``,
            ``"boosting"``.
        bottleneck: noise share; 0 is none.
        split, count: which items, and how many queries.
        mean, std, n: over n contexts or seeds; which of them, ``over`` says. The deviation does not cover the choice of items.
        floor: what a constant predictor (or chance) scores.
        target: what is predicted, where a data set has several.
        context: how the context was disturbed (protocol ``"context-sensitivity"``); None: as drawn.
        weights: a fingerprint of the weights that gave it; None of rows that training wrote.
        over: what ``n`` counts: ``"contexts"``, ``"seeds"``; None where there is one number and nothing was drawn, or in older files.
        item_std: standard error of the mean by the choice of the evaluated items, by :mod:`~contextssl.evaluation.bootstrap`; None where
            unknown.
        items: how many items that was drawn from.
    """

    protocol: str
    metric: str
    mean: float
    factor: str | None = None
    environment: str | None = None
    length: int | None = None
    representation: str | None = None
    head: str | None = None
    bottleneck: float = 0.0
    split: str | None = None
    count: int | None = None
    std: float | None = None
    n: int = 1
    floor: float | None = None
    target: str | None = None
    context: str | None = None
    weights: str | None = None
    over: str | None = None
    item_std: float | None = None
    items: int | None = None

    def key(self) -> str:
        """A name for logs: ``r2_pooled/rotation/color-14``."""
        parts = [self.metric, self.factor, self.representation if self.environment is None else f"{self.environment}-{self.length}"]
        return "/".join(part for part in parts if part)


def write_results(folder: Path, run: Mapping[str, Any], rows: Iterable[ResultRow]) -> Path:
    """Write ``results.json`` into a run's folder. Numbers that are undefined are null: valid JSON."""
    path = folder / RESULTS
    plain = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in vars(row).items()}
        for row in rows
    ]
    write_digested(path, {"format": FORMAT, "run": dict(run), "rows": plain})
    return path


def read_results(folder: Path) -> tuple[dict[str, Any], list[ResultRow]]:
    """What :func:`write_results` wrote.

    Raises:
        DataError: where the file is missing, damaged, was changed since, or is of a newer version.
    """
    path = folder / RESULTS
    fix = f"remove it and write it again by contextssl evaluate all {folder}"
    content = read_digested(path, fix, FORMAT)
    try:
        return _parsed(content, path)
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise DataError(f"{path} is damaged ({what}): {fix}") from error


def _parsed(content: Any, path: Path) -> tuple[dict[str, Any], list[ResultRow]]:
    run, rows = content["run"], content["rows"]
    _check(isinstance(run, dict) and isinstance(rows, list), "its parts are not what they were")
    for name in ("settings", "evaluations", "data"):
        _check(isinstance(run.get(name, {}), dict), f"{name} is no mapping")
    _check(are_alarms(run.get("alarms", [])), "alarms are not what they were")
    evaluations = run.get("evaluations", {})
    for made in evaluations.values():
        _check(isinstance(made, dict) and isinstance(made.get("settings", {}), dict), "an evaluation is no mapping")
    for made in (run, *evaluations.values()):
        if "settings" in made:
            made["settings"] = by_current_names(made["settings"])
    _check(all(isinstance(row, dict) for row in rows), "a row is no mapping")
    if newer := sorted({name for row in rows for name in row} - {*_KINDS, *FORMER}):
        raise NewerFormatError(
            f"{path} was written by a newer version of contextssl (its rows hold {', '.join(newer)}): update contextssl to read it"
        )
    if evaluations:
        named = {evaluation_of(name): about for name, about in evaluations.items()}
        run["evaluations"] = {
            evaluation_name(RENAMED_PROTOCOLS.get(protocol, protocol), split): about for (protocol, split), about in named.items()
        }
    return run, [_row(row) for row in rows]


def update_results(
    folder: Path, change: Callable[[dict[str, Any] | None, list[ResultRow]], tuple[Mapping[str, Any], list[ResultRow]]]
) -> Path:
    """Change a run's results as they stand now, while no other process does: two evaluations at once lose none of each other's rows.

    Args:
        change: the description of the run (None where there are no results yet) and its rows → what they become.

    Raises:
        DataError: see :func:`read_results`; where the disk is full.
    """
    with locked(folder / LOCK, f"writing results into {folder}"):
        run, rows = read_results(folder) if (folder / RESULTS).is_file() else (None, [])
        return write_results(folder, *change(run, rows))


def write_trained(folder: Path, run: Mapping[str, Any], rows: Iterable[ResultRow], weights: str) -> Path:
    """Write what training found. Evaluations of the ``weights`` that it ended with are kept, as where a finished run is resumed; results that are
    damaged are kept beside the new ones, with a warning. Raises NewerFormatError where a newer version wrote those that are there.
    """
    with locked(folder / LOCK, f"writing results into {folder}"):
        about: dict[str, Any] = {}
        before: list[ResultRow] = []
        try:
            about, before = read_results(folder) if (folder / RESULTS).is_file() else (about, before)
        except NewerFormatError:
            raise
        except DataError as error:
            (folder / RESULTS).replace(folder / DAMAGED)
            warnings.warn(f"{error}; it is kept as {folder / DAMAGED}, and training writes its own numbers anew", stacklevel=2)
        made = {name: each for name, each in about.get("evaluations", {}).items() if each.get("weights") == weights}
        kept = [row for row in before if row.weights == weights]
        return write_results(folder, {**run, **({"evaluations": made} if made else {})}, [*rows, *kept])


_KINDS = get_type_hints(ResultRow)
# Fields of rows of earlier versions that are no longer used.
FORMER = ("seconds",)
# Values of rows that earlier versions wrote otherwise.
RENAMED: Mapping[str, Mapping[str, str]] = {
    "protocol": RENAMED_PROTOCOLS,
    "context": {"nothing told": "no factor active", "all told": "all factors active"},
}


def _row(values: Mapping[str, Any]) -> ResultRow:
    row = {name: value for name, value in values.items() if name not in FORMER}
    row["mean"] = math.nan if values["mean"] is None else values["mean"]
    for name, value in row.items():
        # A whole number may stand where others have a fraction.
        fits = isinstance(value, _KINDS[name]) or (isinstance(value, int) and isinstance(0.0, _KINDS[name]))
        _check(fits and not isinstance(value, bool), f"{name} is {value!r}")
    row |= {name: names.get(row[name], row[name]) for name, names in RENAMED.items() if name in row}
    return ResultRow(**row)


def _check(sound: bool, what: str) -> None:
    if not sound:
        raise ValueError(what)


def evaluation_name(protocol: str, split: str) -> str:
    """Under which name a results file keeps how a protocol's rows of a split were made."""
    return protocol if split == "val" else f"{protocol} ({split})"


def evaluation_of(name: str) -> tuple[str, str]:
    """The protocol and split of an evaluation's name."""
    protocol, _, rest = name.partition(" (")
    return protocol, rest.removesuffix(")") or "val"
