"""R² per dimension, averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.metric import Probed, Score


def _score(probed: Probed) -> Score:
    from contextssl.evaluation import metrics

    return float(metrics.r2(probed.predicted, probed.true)), 0.0, probed.r2_draws[1]


METRIC = Metric("r2", "R² per dimension", "R² of each dimension, averaged; floor 0", of="factor", score=_score, place=2)
