"""Metrics: pure functions of tensors, over whole sets (never means over batches)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

Scalar = Float[Tensor, ""]


def r2_pooled(prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Scalar:
    """The published R²: one residual over one total variance about the one mean of *all* target entries.

    A constant predictor does not score 0 with it, see :func:`r2_pooled_floor`. NaN where all entries are equal.
    """
    prediction, target = prediction.double(), target.double()
    return _one_minus((target - prediction).square().sum(), (target - target.mean()).square().sum(), target.square().sum())


def r2_pooled_floor(target: Float[Tensor, "n d"]) -> Scalar:
    """What the best constant predictor, each dimension's mean, scores in :func:`r2_pooled`."""
    return r2_pooled(target.double().mean(dim=0).expand(len(target), -1), target)


def r2(prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Scalar:
    """R² a dimension, averaged over dimensions: a constant predictor scores 0 at best. NaN where a dimension is constant."""
    prediction, target = prediction.double(), target.double()
    residual = (target - prediction).square().sum(dim=0)
    return _one_minus(residual, (target - target.mean(dim=0)).square().sum(dim=0), target.square().sum(dim=0)).mean()


def _one_minus(residual: Tensor, total: Tensor, scale: Tensor) -> Tensor:
    # Equal entries leave a total of rounding errors, not of exactly 0.
    return torch.where(total > 1e-20 * scale, 1 - residual / total, torch.nan)


def ranks(scores: Float[Tensor, "n candidates"], correct: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The rank (1 is best) of the correct candidate among all, by score in float32; ties share their mean rank.

    So a collapsed model, to which all candidates are alike, ranks in the middle, not first.
    """
    scores = scores.float()
    own = scores.gather(1, correct[:, None])
    above = (scores > own).sum(dim=1)
    tied = (scores == own).sum(dim=1) - 1
    return 1 + above + tied / 2


def mean_reciprocal_rank(rank: Float[Tensor, " n"]) -> Scalar:
    return rank.reciprocal().mean()


def hit_rate(rank: Float[Tensor, " n"], k: int) -> Scalar:
    """H@k: the share of queries whose correct candidate ranks k or better."""
    return (rank <= k).float().mean()


def knn_labels(
    bank: Float[Tensor, "b d"],
    bank_labels: Int[Tensor, " b"],
    queries: Float[Tensor, "n d"],
    classes: int,
    k: int = 20,
    temperature: float = 0.1,
) -> Int[Tensor, " n"]:
    """Weighted kNN (Wu et al., 2018): of the k nearest by cosine, each votes for its class with exp(cosine / temperature).

    Args:
        bank, queries: not necessarily normalised.
        k: the whole bank, where it is smaller.
    """
    cosines = F.normalize(queries.float(), dim=-1) @ F.normalize(bank.float(), dim=-1).T
    near, index = cosines.topk(min(k, len(bank)), dim=1)
    votes = torch.zeros(len(queries), classes, device=queries.device)
    votes.scatter_add_(1, bank_labels[index], (near / temperature).exp())
    return votes.argmax(dim=1)
