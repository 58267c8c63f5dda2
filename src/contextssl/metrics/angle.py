"""Mean geodesic angle between predicted and true rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.metric import Probed, Score


def _score(probed: Probed) -> Score:
    from contextssl.evaluation import item_sums, metrics

    angles = metrics.rotation_angles(probed.predicted, probed.true)
    return float(angles.mean()), float(metrics.rotation_angle_floor(probed.true)), item_sums.resampled_mean(angles, probed.items)


METRIC = Metric(
    "angle_deg",
    "mean angle",
    "mean geodesic angle in degrees, q and -q are the same rotation; its floor is that of the mean rotation",
    digits=1,
    unit="°",
    of="factor",
    score=_score,
    relation="rotation",
    place=3,
)
