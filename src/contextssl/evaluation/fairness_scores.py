"""All fairness numbers of one representation of people: adversaries of each factor, target accuracy, gaps between groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.tables.corruption import RowFactor
from contextssl.evaluation.certificate import flipped_nats
from contextssl.evaluation.classifiers import Fitted, fit_classifier
from contextssl.evaluation.fairness_errors import resampled_class_scores, resampled_differences
from contextssl.evaluation.fairness_metrics import class_scores, differences
from contextssl.evaluation.item_sums import resampled_mean
from contextssl.evaluation.metrics import first_largest
from contextssl.evaluation.people import People, Represented
from contextssl.evaluation.scores import Scores

# Rows compared for the distance between two people.
APART_ROWS = 2000


def score(scores: Scores, people: People, one: Represented, adversaries: Sequence[str], predictors: Sequence[str] = ("logistic",)) -> None:
    """All numbers of one representation. ``predictors`` are the classifiers that predict targets."""
    about: dict[str, Any] = {"point": one.point, "count": len(people.test), **one.about}
    seen = one.seen(one.test, people.seed)

    def fitted(kind: str, labels: Tensor, classes: int) -> Fitted:
        return fit_classifier(kind, one.train, labels, classes, people.held_out, deviation=one.deviation, seed=people.seed)

    for factor in people.bank.row_factors:
        learnt, tested = factor.of(people.train), factor.of(people.test)
        for kind in adversaries:
            _add_class_scores(
                scores, people, fitted(kind, learnt, len(factor.values))(seen), tested, factor=factor.name, head=kind, **about
            )
        _add_moves(scores, people, one, factor, factor=factor.name, **about)
    for target, learnt in people.train_targets.items():
        labels, classes = people.test_targets[target], len(people.bank.targets[target].names)
        for kind in predictors:
            predictor = fitted(kind, learnt, classes)
            chances = predictor(seen)
            guess, shared = first_largest(chances), {"target": target, "head": kind, **about}
            _add_class_scores(scores, people, chances, labels, **shared)
            for factor in people.bank.row_factors:
                groups = factor.of(people.test)
                draws = resampled_differences(guess, labels, groups, classes, people.persons)
                for metric, value in differences(guess, labels, groups, classes).items():
                    scores.add(metric, value, floor=0.0, resampled=draws[metric], factor=factor.name, **shared)
                changed = (first_largest(predictor(one.seen(one.flipped[factor.name], people.seed))) != guess).double()
                flips = resampled_mean(changed, people.persons)
                scores.add("counterfactual_flips", float(changed.mean()), floor=0.0, resampled=flips, factor=factor.name, **shared)


def _add_class_scores(scores: Scores, people: People, chances: Tensor, labels: Tensor, **about: Any) -> None:
    draws = resampled_class_scores(chances, labels, people.persons)
    for metric, (value, floor) in class_scores(chances, labels).items():
        scores.add(metric, value, floor=floor, resampled=draws[metric], **about)


def _add_moves(scores: Scores, people: People, one: Represented, which: RowFactor, **about: Any) -> None:
    """How far another value of a factor moves people, and under noise the bound on the information about a factor of two values."""
    moved = (one.flipped[which.name] - one.test).double()
    distances, apart = moved.norm(dim=1), distance_apart(one.test)
    draws = resampled_mean(distances / apart, people.persons)
    scores.add("counterfactual_distance", float(distances.mean() / apart), floor=0.0, resampled=draws, **about)
    if one.deviation > 0 and len(which.values) == 2:
        scores.add("factor_nats", flipped_nats(moved, one.deviation), floor=0.0, **about)


def counterfactual_distance(rows: Float[Tensor, "n d"], flipped: Float[Tensor, "n d"]) -> float:
    """The mean distance that a flipped factor moves a row, over the mean distance between two people; NaN where all are equal."""
    return float((rows - flipped).double().norm(dim=1).mean() / distance_apart(rows))


def distance_apart(rows: Float[Tensor, "n d"]) -> float:
    """The mean distance between two of the first rows; NaN where all are equal. Enough are compared for its error to be negligible."""
    some = rows[: min(len(rows), APART_ROWS)].double()
    apart = float(torch.cdist(some, some).sum() / (len(some) * max(len(some) - 1, 1)))
    return apart if apart > 1e-12 else float("nan")
