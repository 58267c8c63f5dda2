"""R² of each component, averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.evaluation.scores import Read
    from contextssl.metric import Score


def _score(read: Read) -> Score:
    from contextssl.evaluation import metrics

    return float(metrics.r2(read.predicted, read.true)), 0.0, read.r2_draws[1]


METRIC = Metric("r2", "R² a dimension", "R² of each dimension, averaged; floor 0", of="factor", score=_score, place=2)
