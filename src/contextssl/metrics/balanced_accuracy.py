"""Accuracy per class, averaged over the classes that occur."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.metric import Metric

if TYPE_CHECKING:
    from contextssl.metric import Probed, Score


def _score(probed: Probed) -> Score:
    from contextssl.evaluation import metrics

    return (
        float(metrics.balanced_accuracy(probed.predicted, probed.true)),
        1 / int((probed.true.bincount() > 0).sum()),
        probed.class_draws[1],
    )


METRIC = Metric("balanced_accuracy", "balanced accuracy", of="class", score=_score, place=5)
