"""R² about the one mean of all components, as published."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.metric import Probed, Score


def _score(probed: Probed) -> Score:
    from contextssl.evaluation import metrics

    if probed.is_constant:
        # Components that are constant, each at its own value, vary about their one mean: R² would be defined but meaningless.
        return math.nan, math.nan, probed.r2_draws[0]
    return float(metrics.r2_pooled(probed.predicted, probed.true)), float(metrics.r2_pooled_floor(probed.true)), probed.r2_draws[0]


METRIC = Metric(
    "r2_pooled",
    "R² pooled",
    "1 - residual / total about the one mean of all target entries (published); its floor is that of the best constant",
    of="factor",
    score=_score,
    place=1,
)
