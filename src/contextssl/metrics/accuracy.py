"""Accuracy of the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.metric import Probed, Score


def _score(probed: Probed) -> Score:
    from contextssl.evaluation import metrics

    counts = probed.true.bincount()
    return float(metrics.accuracy(probed.predicted, probed.true)), float(counts.max() / counts.sum()), probed.class_draws[0]


METRIC = Metric("accuracy", "accuracy", of="class", score=_score, place=4)
