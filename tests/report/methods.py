"""Methods made of numbers alone: what an evaluation of one without contexts, and of an in-context one, gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contextssl.records.results import ResultRow
from contextssl.report.collect import read_run
from contextssl.report.comparison import Entry
from tests.report.synthetic import evaluations, write_run

FACTORS = ("rotation", "color")
FLOOR = {"rotation": 0.231, "color": 0.0}
VIEW_FLOOR = {"rotation": 0.463, "color": 0.0}
Place = tuple[str, str | None, int | None]
FEATURE: Place = ("feature", None, None)
NO_CONTEXT: Place = ("embedding", None, 0)


def rows_of(
    places: Mapping[Place, tuple[float, float]],
    active_in_retrieval: Sequence[str] = (),
    *,
    erased: bool = False,
    heads: Sequence[str] = ("linear",),
) -> list[ResultRow]:
    """Rows of every protocol.

    Args:
        places: representation, environment, length; and R² from pairs there of rotation and of colour.
        active_in_retrieval: environments of retrieval.
        erased: erasure too.
        heads: that probe pairs, next to ridge.
    """
    made = []
    for (representation, environment, length), pair in places.items():
        where: dict[str, Any] = {
            "environment": environment,
            "length": length,
            "representation": representation,
            "split": "val",
            "count": 500,
        }
        where |= {"std": 0.5, "n": 3} if length else {}
        for factor, value in zip(FACTORS, pair, strict=True):
            about = {**where, "factor": factor}
            for head in (*heads, "ridge"):
                read = value + (0.02 if head == "ridge" else 0.0)
                made.append(ResultRow("equivariance", "r2_pooled", read, head=head, floor=FLOOR[factor], **about))
                if factor == "rotation":
                    made.append(ResultRow("equivariance", "angle_deg", 30.0, head=head, floor=106.9, **about))
            made.append(ResultRow("geometry", "variance_share", 0.6 * value, floor=0.0, **about))
            for noise in (0.0, 0.3) if representation == "embedding" else (0.0,):
                for head in ("ridge", "knn"):
                    made.append(
                        ResultRow("probe", "r2_pooled", value - 0.3 * noise, head=head, bottleneck=noise, floor=VIEW_FLOOR[factor], **about)
                    )
        for head in ("linear", "ridge"):
            for noise in (0.0, 0.3):
                made.append(ResultRow("probe", "accuracy", 0.9 - 0.1 * noise, "class", head=head, bottleneck=noise, floor=0.2, **where))
        if representation == "embedding":
            for active in [environment] if environment else active_in_retrieval:
                here = {**where, "environment": active}
                for metric, value, chance in (("mrr", 0.3, 0.09), ("hit@1", 0.2, 0.02), ("hit@5", 0.5, 0.1)):
                    made.append(ResultRow("retrieval", metric, value + 0.001 * (length or 0), floor=chance, **here))
    for remains in FACTORS if erased else ():
        for representation, length in (
            ("erased-context", 14),
            ("erased-context", 126),
            ("erased-train", None),
            ("erased-train-basis", None),
        ):
            where = {"environment": remains, "length": length, "representation": representation, "split": "val", "count": 500}
            for head in ("ridge", "knn"):
                for noise in (0.0, 0.3):
                    for factor in FACTORS:
                        value = 0.7 if factor == remains else VIEW_FLOOR[factor] + 0.05
                        made.append(
                            ResultRow("erasure", "r2_pooled", value, factor, head=head, bottleneck=noise, floor=VIEW_FLOOR[factor], **where)
                        )
                    made.append(ResultRow("erasure", "accuracy", 0.8, "class", head=head, bottleneck=noise, floor=0.2, **where))
    return made


def in_context(rotation: tuple[float, float], color: tuple[float, float], *, none: tuple[float, float] = (0.7, 0.9)) -> dict[Place, Any]:
    """Places of an in-context model: R² from pairs at 126 tokens of a rotation and of a colour context, and with none; less at 14."""
    return {
        FEATURE: (0.72, 0.93),
        NO_CONTEXT: none,
        ("embedding", "rotation", 14): (rotation[0] - 0.05, rotation[1] + 0.05),
        ("embedding", "rotation", 126): rotation,
        ("embedding", "color", 14): (color[0] + 0.05, color[1] - 0.05),
        ("embedding", "color", 126): color,
    }


def entry(folder: Path, name: str, group: str, made: Sequence[Sequence[ResultRow]], published: str | None = None, **settings: Any) -> Entry:
    """An entry whose seeds have these rows."""
    runs = []
    for seed, rows in enumerate(made):
        where = folder / name.replace(":", "-") / f"seed{seed}"
        run = write_run(where, rows, training=False, evaluated=evaluations(), seed=seed, **settings)
        runs.append(read_run(run, f"{name}, seed {seed}"))
    return Entry(name, group, tuple(runs), published)
