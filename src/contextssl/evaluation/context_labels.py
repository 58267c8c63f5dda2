"""Accuracy of the trained label head on labels that depend on the context: the class, and the bin of the active factor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from contextssl.errors import InputError
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.item_sums import resampled_mean
from contextssl.evaluation.metrics import first_largest
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.single_views import SingleViews
from contextssl.models.label_space import LabelSpace
from contextssl.models.linear_head import LinearHead
from contextssl.records.results import ResultRow


def context_label_rows(views: SingleViews, points: Sequence[ContextPoint], head: LinearHead, space: LabelSpace) -> Iterator[ResultRow]:
    """Rows of protocol ``"labels"``: no head is trained, and embeddings have no noise.

    In each environment of one active factor of the space, say ``rotation``: the share of views whose label is right (metric ``"accuracy"``,
    factor ``"class+rotation"``), and whose bin is right whatever the class (factor ``"rotation"``). Without a context one prediction is scored
    in every environment, so there is a row per environment at length 0. Floors are the share of the most frequent label or bin there.

    Compare with ``"accuracy_bound"``, a row of no head at length 0: :func:`bound_without_context`. Without a context one environment can exceed
    it (a prediction that always takes rotation as active is right under ``rotation``), their mean cannot.

    Environments of no or several active factors have no labels, and no rows. InputError where head and space differ in their number of labels.
    """
    if head.linear.out_features != space.count:
        raise InputError(
            f"the head has {head.linear.out_features} labels, the label space {space.count} ({space.classes} classes × {space.bins} bins): "
            "give the space that the head was trained on"
        )
    scores = Scores("labels", views.test.split, space.factors)
    true_labels = {name: labels_under(views, space, name) for name in space.names}
    for point in points:
        questions = [name for name in space.names if point.environment in (None, name)]
        if not questions:
            continue
        unit = views.embedder.unit(views.test, point)[views.rows]
        with torch.no_grad():
            answers = first_largest(head(unit.to(views.embedder.device))).cpu()
        for name in questions:
            labels = true_labels[name]
            for factor, given, true in ((f"class+{name}", answers, labels), (name, answers % space.bins, labels % space.bins)):
                right, floor = (given == true).double(), float(true.bincount().max() / len(true))
                about: dict[str, Any] = {"factor": factor, "environment": name, "head": "label", "count": len(true)}
                draws = resampled_mean(right, views.clusters)
                scores.add("accuracy", float(right.mean()), floor=floor, point=point, resampled=draws, **about)
        if point.environment is None:
            bound = bound_without_context(torch.stack(list(true_labels.values())))
            scores.add("accuracy_bound", bound, length=0, factor="class+bin", count=len(answers))
    yield from scores.rows()


def labels_under(views: SingleViews, space: LabelSpace, environment: str) -> Int[Tensor, " m"]:
    """The label of each probed view in a sequence of this environment."""
    truth = views.truth
    return space.labels(truth, views.labels, space.factors.mask(environment).expand_as(truth))


def bound_without_context(labels: Int[Tensor, "environments m"]) -> float:
    """The best accuracy, averaged over equally likely environments, of one prediction per view that does not know the environment.

    A view's best prediction is the label that most environments share. With two unrelated factors of b even bins that is ½ + 1 / 2b.
    """
    agreeing = (labels[:, None] == labels[None, :]).sum(dim=1).amax(dim=0)
    return float(agreeing.double().mean() / len(labels))
