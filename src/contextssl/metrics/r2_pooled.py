"""R² about one mean of all components, as published."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.evaluation.scores import Read
    from contextssl.metric import Score


def _score(read: Read) -> Score:
    from contextssl.evaluation import metrics

    if read.is_constant:
        # Components that are constant, each at a value of its own, vary about their one mean: a number, but of nothing.
        return math.nan, math.nan, read.r2_draws[0]
    return float(metrics.r2_pooled(read.predicted, read.true)), float(metrics.r2_pooled_floor(read.true)), read.r2_draws[0]


METRIC = Metric(
    "r2_pooled",
    "R² pooled",
    "1 - residual / total about the one mean of all target entries (published); its floor is that of the best constant",
    of="factor",
    score=_score,
    place=1,
)
