"""How many classes are read right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.evaluation.scores import Read
    from contextssl.metric import Score


def _score(read: Read) -> Score:
    from contextssl.evaluation import metrics

    counts = read.true.bincount()
    return float(metrics.accuracy(read.predicted, read.true)), float(counts.max() / counts.sum()), read.class_draws[0]


METRIC = Metric("accuracy", "accuracy", of="class", score=_score, place=4)
