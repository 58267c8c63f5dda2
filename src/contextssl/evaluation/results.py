"""Result rows: one flat record a number, and the file that holds them. Reports and comparisons read only this."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = "results.json"


@dataclass(frozen=True)
class ResultRow:
    """One number, with all that is needed to read it.

    Args:
        protocol: which evaluation, such as ``"online"`` (while training), ``"equivariance"``, ``"probe"``, ``"retrieval"``.
        metric: ``"r2_pooled"`` (the published R²), ``"r2"`` (a dimension), ``"accuracy"``, ``"mrr"``, …
        factor: the factor that it is about, or ``"class"``; of differences between groups of people, which factor groups them.
        environment: of the context.
        length: of the context, in tokens.
        representation: ``"feature"`` or ``"embedding"``; of rivals without a context ``"raw"``, ``"raw-without"`` (raw columns with and without
            the factors'), ``"erased-context"``, ``"erased-train"`` (embeddings after linear erasure, by what it was fitted on; features in
            ``"erasure"``), ``"erased-train-basis"`` (features after erasure of polynomials of the factors), ``"none-erased"`` (embeddings in
            contexts that tell nothing, after erasure), ``"scarf"``.
        head: what read the number out: ``"auxiliary"``, ``"mlp"``, ``"linear"``, ``"ridge"``, ``"knn"``, ``"logistic"``,
            ``"boosting"``.
        bottleneck: noise share; 0 is none.
        split, count: which items, and how many queries.
        mean, std, n: over n contexts or seeds; which of them, ``over`` says. The deviation knows nothing of the choice of items.
        floor: what a constant predictor (or chance) scores.
        seconds: that it took.
        target: what is predicted, where a data set has several.
        context: how the context was disturbed (protocol ``"reading"``); None: as drawn.
        over: what ``n`` counts: ``"contexts"``, ``"seeds"``; None where there is one number and nothing was drawn, or in older files.
        item_std: standard error of the mean by the choice of the evaluated items, by :mod:`~contextssl.evaluation.bootstrap`; None where it is
            not known.
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
    seconds: float | None = None
    target: str | None = None
    context: str | None = None
    over: str | None = None
    item_std: float | None = None
    items: int | None = None

    def key(self) -> str:
        """A name for logs: ``r2_pooled/rotation/color-14``."""
        parts = [self.metric, self.factor, self.representation if self.environment is None else f"{self.environment}-{self.length}"]
        return "/".join(part for part in parts if part)


def write_results(folder: Path, run: Mapping[str, Any], rows: Iterable[ResultRow]) -> Path:
    """Write ``results.json`` into a run's folder. Numbers that are undefined are null: valid JSON."""
    from contextssl.files import write_json

    path = folder / RESULTS
    write_json(path, {"run": dict(run), "rows": [_plain(dataclasses.asdict(row)) for row in rows]})
    return path


def read_results(folder: Path) -> tuple[dict[str, Any], list[ResultRow]]:
    """What :func:`write_results` wrote."""
    content = json.loads((folder / RESULTS).read_text())
    return content["run"], [ResultRow(**{**row, "mean": math.nan if row["mean"] is None else row["mean"]}) for row in content["rows"]]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
