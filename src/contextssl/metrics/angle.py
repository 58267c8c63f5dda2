"""How far off a rotation is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.evaluation.scores import Read
    from contextssl.metric import Score


def _score(read: Read) -> Score:
    from contextssl.evaluation import item_sums, metrics

    angles = metrics.rotation_angles(read.predicted, read.true)
    return float(angles.mean()), float(metrics.rotation_angle_floor(read.true)), item_sums.resampled_mean(angles, read.items)


METRIC = Metric(
    "angle_deg",
    "mean angle",
    "mean geodesic angle in degrees, q and -q alike; its floor is that of the mean rotation",
    digits=1,
    unit="°",
    of="factor",
    score=_score,
    relation="rotation",
    place=3,
)
