"""How often the trained label head answers the question that the context asks: class, and bin of the factor that the context tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from contextssl.errors import InputError
from contextssl.evaluation import metrics
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.item_sums import resampled_mean
from contextssl.evaluation.probe import SingleViews
from contextssl.evaluation.scores import Scores
from contextssl.models.label_head import LabelHead
from contextssl.models.label_space import LabelSpace
from contextssl.records.results import ResultRow


def context_label_rows(views: SingleViews, points: Sequence[ContextPoint], head: LabelHead, space: LabelSpace) -> Iterator[ResultRow]:
    """Rows of protocol ``"labels"``: no head is trained, and embeddings are read without noise.

    Under each environment that tells one of the space's factors, say ``rotation``, the share of views whose label is right (metric
    ``"accuracy"``, factor ``"class+rotation"``), and whose bin is right whatever the class (factor ``"rotation"``): the class can be known
    without a context, the question cannot. Without a context one answer is held against every question, so there is a row for each
    environment at length 0. Floors are the share of the commonest label, and of the commonest bin, under that environment.

    The floor asks little of a reader. What a context is worth shows against ``"accuracy_bound"``, a row of no head at length 0: the accuracy,
    averaged over the environments, of the best answer that knows class and all bins but not which of them is asked for. A single environment
    can lie above it without a context (an answer that always takes the rotation to be meant is right under ``rotation``), their mean cannot.

    Args:
        views: those of its ``test`` rows are read; its training views and targets play no part.
        points: see :func:`~contextssl.evaluation.contexts.context_points`; environments that tell no factor or several have no labels, and no
            rows.
        head: trained, on the embedder's device.
        space: that the head was trained on.

    Raises:
        InputError: where the head has another number of labels than the space.
    """
    if head.linear.out_features != space.count:
        raise InputError(
            f"the head has {head.linear.out_features} labels, the label space {space.count} ({space.classes} classes × {space.bins} bins): "
            "give the space that the head was trained on"
        )
    scores = Scores("labels", views.test.split, space.factors)
    asked = {name: labels_under(views, space, name) for name in space.names}
    for point in points:
        questions = space.names if point.environment is None else tuple(name for name in space.names if name == point.environment)
        if not questions:
            continue
        answers = _answers(views, point, head)
        for name in questions:
            _add(scores, views, answers, asked[name], space, point, name)
        if point.environment is None:
            bound = bound_without_context(torch.stack(list(asked.values())))
            scores.add("accuracy_bound", bound, length=0, factor="class+bin", count=len(answers))
    yield from scores.rows()


def labels_under(views: SingleViews, space: LabelSpace, environment: str) -> Int[Tensor, " m"]:
    """The label of each view that is read, were it in a sequence of this environment."""
    truth = views.truth
    return space.labels(truth, views.labels, space.factors.mask(environment).expand_as(truth))


def bound_without_context(asked: Int[Tensor, "questions m"]) -> float:
    """The best accuracy, averaged over equally likely questions, of one answer a view that knows all of the view but not the question.

    A view's best answer is the label that most of its questions share. With two unrelated factors of b even bins that is ½ + 1 / 2b.
    """
    agreeing = (asked[:, None] == asked[None, :]).sum(dim=1).amax(dim=0)
    return float(agreeing.double().mean() / len(asked))


@torch.no_grad()
def _answers(views: SingleViews, point: ContextPoint, head: LabelHead) -> Int[Tensor, " m"]:
    unit = views.embedder.unit(views.test, point)[views.rows]
    return head(unit.to(views.embedder.device)).argmax(dim=-1).cpu()


def _add(scores: Scores, views: SingleViews, answers: Tensor, labels: Tensor, space: LabelSpace, point: ContextPoint, name: str) -> None:
    about = {"environment": name, "head": "label", "count": len(labels)}
    for factor, given, true in ((f"class+{name}", answers, labels), (name, answers % space.bins, labels % space.bins)):
        common = float(true.bincount().max() / len(true))
        draws = resampled_mean((given == true).double(), views.clusters)
        accuracy = float(metrics.accuracy(given, true))
        scores.add("accuracy", accuracy, floor=common, point=point, resampled=draws, factor=factor, **about)
