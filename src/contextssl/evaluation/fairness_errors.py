"""Numbers of :mod:`~contextssl.evaluation.fairness_metrics` over draws of the evaluated people, all rows of a person together."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.bootstrap import Resampled, of_items, resample, resample_counts
from contextssl.evaluation.fairness_metrics import DIFFERENCES
from contextssl.evaluation.item_sums import resampled_classes
from contextssl.evaluation.metrics import first_largest


def resampled_class_scores(
    chances: Float[Tensor, "n classes"], labels: Int[Tensor, " n"], persons: Int[Tensor, " n"]
) -> dict[str, Resampled | None]:
    """:func:`~contextssl.evaluation.fairness_metrics.class_scores`."""
    accuracy, balanced = resampled_classes(first_largest(chances), labels, persons)
    return {"accuracy": accuracy, "balanced_accuracy": balanced, "auroc": _resampled_auroc(chances, labels, persons)}


def _resampled_auroc(chances: Tensor, labels: Tensor, persons: Tensor) -> Resampled | None:
    present = labels.unique().tolist()
    if len(present) < 2:
        return None
    names, places = (part.numpy() for part in torch.unique(persons, return_inverse=True))
    scored = [1] if chances.shape[1] == 2 else present
    sorted_of = [_sorted(chances[:, one].double().numpy(), (labels == one).numpy(), places) for one in scored]
    return resample_counts(len(names), lambda counts: np.mean([_weighted_auroc(counts, *part) for part in sorted_of], axis=0))


def _sorted(scores: np.ndarray, positive: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows by rising score: which item each is of, whether it is positive, and where each run of equal scores begins."""
    order = scores.argsort(kind="stable")
    begins = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    return places[order], positive[order], begins


def _weighted_auroc(counts: np.ndarray, places: np.ndarray, positive: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """The chance that a positive row scores above a negative one, ties half, with every item as often as it was drawn: (draws,)."""
    weights = counts[:, places]
    high = np.add.reduceat(weights * positive, begins, axis=1)
    low = np.add.reduceat(weights * ~positive, begins, axis=1)
    below = low.cumsum(axis=1) - low / 2
    return np.asarray((high * below).sum(1) / (high.sum(1) * low.sum(1)))


def resampled_differences(
    guess: Int[Tensor, " n"], labels: Int[Tensor, " n"], groups: Int[Tensor, " n"], classes: int, persons: Int[Tensor, " n"]
) -> dict[str, Resampled | None]:
    """:func:`~contextssl.evaluation.fairness_metrics.differences`, from counts per group and class of true, predicted and rightly predicted rows."""
    there = groups.unique()
    if len(there) < 2:
        return dict.fromkeys(DIFFERENCES)
    of_group = (groups[:, None] == there).double()
    true, called = F.one_hot(labels, classes).double(), F.one_hot(guess, classes).double()
    counted = torch.stack([true, called, true * called], dim=1)
    rows = (of_group[:, :, None, None] * counted[:, None]).flatten(1)
    sums = of_items(torch.cat([rows, of_group], dim=1), persons)
    shape = (len(there), 3, classes)
    positives = [1] if classes == 2 else list(range(classes))

    def rates(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of true positives, false positives and positives, each (draws, groups, classes); of nobody the rate is 0, as in fairlearn."""
        everyone = sums[:, -len(there) :, None]
        are, are_called, rightly = np.moveaxis(sums[:, : -len(there)].reshape(len(sums), *shape), 2, 0)
        true, false, positive = _rate(rightly, are), _rate(are_called - rightly, everyone - are), _rate(are_called, everyone)
        return true[..., positives], false[..., positives], positive[..., positives]

    def gap(rate: np.ndarray) -> np.ndarray:
        """The largest difference between two groups, of the class where it is largest."""
        return np.asarray(np.ptp(rate, axis=1).max(-1))

    return {
        "equalized_odds_difference": resample(sums, lambda sums: np.maximum(*map(gap, rates(sums)[:2]))),
        "equal_opportunity_difference": resample(sums, lambda sums: gap(rates(sums)[0])),
        "demographic_parity_difference": resample(sums, lambda sums: gap(rates(sums)[2])),
    }


def _rate(part: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.where(of > 0, part / np.where(of > 0, of, 1), 0.0)
