"""Accuracy of predictions, and their differences between groups of people, by scikit-learn and fairlearn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from fairlearn.metrics import demographic_parity_difference, equal_opportunity_difference, equalized_odds_difference
from jaxtyping import Float, Int
from sklearn.metrics import roc_auc_score
from torch import Tensor

from contextssl.evaluation.metrics import accuracy, balanced_accuracy, first_largest

# Differences of a prediction between groups: 0 where there is none, at most 1.
DIFFERENCES: dict[str, Callable[..., float]] = {
    "equalized_odds_difference": equalized_odds_difference,
    "equal_opportunity_difference": equal_opportunity_difference,
    "demographic_parity_difference": demographic_parity_difference,
}


def class_scores(chances: Float[Tensor, "n classes"], labels: Int[Tensor, " n"]) -> dict[str, tuple[float, float]]:
    """``accuracy``, ``balanced_accuracy`` and ``auroc`` of predictions, each with the floor of a constant.

    AUROC is of class 1 where there are two, else the mean over classes of each against the rest; NaN where one class alone occurs.
    """
    counts = labels.bincount(minlength=chances.shape[1])
    guess = first_largest(chances)
    present = counts > 0
    return {
        "accuracy": (float(accuracy(guess, labels)), float(counts.max() / counts.sum())),
        "balanced_accuracy": (float(balanced_accuracy(guess, labels)), 1 / int(present.sum())),
        "auroc": (_auroc(chances, labels, present.nonzero()[:, 0].tolist()), 0.5),
    }


def _auroc(chances: Tensor, labels: Tensor, present: list[int]) -> float:
    if len(present) < 2:
        return math.nan
    scored = [1] if chances.shape[1] == 2 else present
    return float(np.mean([roc_auc_score((labels == one).numpy(), chances[:, one].double().numpy()) for one in scored]))


def differences(guess: Int[Tensor, " n"], labels: Int[Tensor, " n"], groups: Int[Tensor, " n"], classes: int) -> dict[str, float]:
    """:data:`DIFFERENCES` of predictions between groups of people.

    Equalized odds: the largest gap between two groups in the rate of true or of false positives. Equal opportunity: in the rate of true positives.
    Demographic parity: in the rate of positives. Class 1 is the positive one of two; of more than two each is, in turn, and the largest gap
    counts. NaN where there is one group.
    """
    if len(groups.unique()) < 2:
        return dict.fromkeys(DIFFERENCES, math.nan)
    positives = [1] if classes == 2 else list(range(classes))
    found = {}
    for name, difference in DIFFERENCES.items():
        gaps = []
        for positive in positives:
            true, predicted = (labels == positive).int().numpy(), (guess == positive).int().numpy()
            gaps.append(float(difference(true, predicted, sensitive_features=groups.numpy())))
        found[name] = max(gaps)
    return found
