"""Runs made of numbers alone: rows of every protocol, as an evaluation of rendered shapes gives them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.records.results import ResultRow, write_results

LENGTHS = (0, 2, 14, 30, 126)
FLOORS = {("equivariance", "rotation"): 0.231, ("probe", "rotation"): 0.463}
SHARES = (0.0, 0.3, 1.0)
NOISE_FREE = {"active": (0.90, 0.89, 0.87), "inactive": (0.872, 0.176, 0.061)}


def _curve(environment: str, factor: str, start: float, active: float, inactive: float) -> list[float]:
    """A number at each length: from ``start`` with no context to ``active`` or ``inactive``."""
    end = active if environment == factor else inactive
    return [start + (end - start) * (1 - math.exp(-length / 3)) for length in LENGTHS]


def rows(n: int = 3, count: int = 500, split: str = "val") -> list[ResultRow]:
    """Every protocol, environments rotation and color."""
    made: dict[tuple[object, ...], ResultRow] = {}

    def add(protocol: str, metric: str, mean: float, length: int, environment: str | None, **more: Any) -> None:
        if length == 0 and protocol != "retrieval":
            environment = None
        row = ResultRow(
            protocol,
            metric,
            mean,
            environment=environment,
            length=length,
            representation="embedding",
            split=split,
            count=count,
            std=None if environment is None else 0.0123,
            n=1 if environment is None else n,
            **more,
        )
        made.setdefault((protocol, metric, environment, length, *sorted(more.items(), key=str)), row)

    for environment in ("rotation", "color"):
        for factor in ("rotation", "color"):
            head = "mlp" if factor == "rotation" else "linear"
            for at, length in enumerate(LENGTHS):
                share = _curve(environment, factor, 0.22, 0.521, 0.008)[at]
                add("geometry", "variance_share", share, length, environment, factor=factor, floor=0.0)
                add("geometry", "sensitivity", 1.4 * share, length, environment, factor=factor, floor=0.0)
                floor = FLOORS.get(("equivariance", factor), 0.0)
                read = _curve(environment, factor, 0.80, 0.82, floor + 0.02)[at]
                add("equivariance", "r2_pooled", read, length, environment, factor=factor, head=head, floor=floor)
                add("equivariance", "r2", read - floor, length, environment, factor=factor, head=head, floor=0.0)
                floor = FLOORS.get(("probe", factor), 0.0)
                if factor == "rotation":
                    add("equivariance", "angle_deg", 30.0, length, environment, factor=factor, head=head, floor=106.9)
                for who, active, inactive in (("auxiliary", 0.9, floor - 0.04), (head, 0.88, 0.74), ("knn", 0.87, floor + 0.1)):
                    read = _curve(environment, factor, 0.86, active, inactive)[at]
                    add("probe", "r2_pooled", read, length, environment, factor=factor, head=who, floor=floor)
                for share, active, inactive in zip(SHARES, *NOISE_FREE.values(), strict=True):
                    value = active if environment == factor else max(inactive, floor + 0.01)
                    add("probe", "r2_pooled", value, length, environment, factor=factor, head="ridge", floor=floor, bottleneck=share)
        for at, length in enumerate(LENGTHS):
            for share, nats in ((0.3, 11.5), (1.0, 6.25)):
                add("probe", "capacity_nats", nats, length, environment, floor=0.0, bottleneck=share)
            add("probe", "accuracy", 0.951, length, environment, factor="class", head="linear", floor=0.2)
            for metric, value, chance in (
                ("mrr", 0.40, 0.09),
                ("hit@1", 0.25, 0.02),
                ("hit@5", 0.6, 0.1),
                ("mrr_with_identity", 0.41, 0.09),
            ):
                add("retrieval", metric, value + 0.01 * at, length, environment, floor=chance)
            add("retrieval", "pre", 0.11, length, environment, factor="rotation", floor=0.52)
    made[("feature",)] = ResultRow(
        "equivariance", "r2_pooled", 0.79, "rotation", representation="feature", head="mlp", split=split, count=count
    )
    return list(made.values())


def online_rows() -> list[ResultRow]:
    """What a run that was only trained holds."""
    return [
        ResultRow(
            "online", "r2_pooled", 0.9 if e == f else 0.05, f, e, length, "embedding", "auxiliary", split="val", count=100, floor=0.46
        )
        for e in ("rotation", "color")
        for f in ("rotation", "color")
        for length in (0, 2, 14)
    ]


def about(**settings: Any) -> dict[str, Any]:
    """What made a run, as training writes it."""
    return {
        "settings": dataclasses.asdict(TrainSettings(**{"dataset": "shapes", "resolution": 32, **settings})),
        "seed": 7,
        "version": "0.1.0",
        "commit": "abc1234",
        "torch": "2.9",
        "data": {"path": "nowhere/store", "fingerprint": "f00d", "source": None},
        "machine": "x86_64",
        "device": "cpu",
        "threads": 2,
        "date": "2026-11-24 04:27:55",
        "steps": 2375,
        "images": 608000,
        "seconds": 300.0,
    }


def evaluations(split: str = "val", **changed: Any) -> dict[str, Any]:
    """How the protocols were run."""
    settings = dataclasses.asdict(EvaluateSettings(load_model="somewhere"))
    common = {
        "split": split,
        "seed": 0,
        "contexts": 3,
        "items": 50,
        "train_items": 1000,
        "definitions": {"r2": "R² of each dimension, averaged; floor 0"},
        "notes": [],
        "version": "0.1.0",
        "precision": "32-true",
        "device": "cpu",
        "weights": "0123456789abcdef",
        "data": {"fingerprint": "f00d"},
        "seconds": 12.0,
        "date": "2026-11-24 05:00:00",
    }
    own = {key: value for key, value in changed.items() if key in settings and key not in common}
    common.update({key: value for key, value in changed.items() if key in common})
    end = "" if split == "val" else f" ({split})"
    return {protocol + end: {**common, "settings": {**settings, **own}} for protocol in ("equivariance", "retrieval", "probe", "geometry")}


def write_run(
    folder: Path,
    made: Iterable[ResultRow] | None = None,
    *,
    evaluated: dict[str, Any] | None = None,
    keep: Callable[[ResultRow], bool] = lambda row: True,
    training: bool = True,
    **settings: Any,
) -> Path:
    """A run's folder with results and training curves, no checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [row for row in (rows() if made is None else made) if keep(row)]
    run = {**about(**settings), "evaluations": evaluations() if evaluated is None else evaluated}
    write_results(folder, run, chosen)
    if training:
        lines = ["step,epoch,name,value"]
        for step in range(1, 1001):
            lines.append(f"{step},0,train/contrastive_loss,{6 - step / 500}")
            if step % 250 == 0:
                lines += [f"{step},0,val/r2_pooled/{factor}/rotation-14,{step / 2000}" for factor in ("rotation", "color")]
        (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    return folder
