"""How many are read right of each class, averaged over the classes that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.evaluation.scores import Read
    from contextssl.metric import Score


def _score(read: Read) -> Score:
    from contextssl.evaluation import metrics

    return float(metrics.balanced_accuracy(read.predicted, read.true)), 1 / int((read.true.bincount() > 0).sum()), read.class_draws[1]


METRIC = Metric("balanced_accuracy", "balanced accuracy", of="class", score=_score, place=5)
