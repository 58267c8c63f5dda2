"""k nearest neighbours of the training split. Neighbours that tie share their places."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.metrics import TIED, first_largest
from contextssl.models.neighbours import cosine_tolerance

# How many similarities are held at once.
SIMILARITIES = 1 << 25


def knn_means(
    bank: Float[Tensor, "b d"], bank_targets: Float[Tensor, "b t"], queries: Float[Tensor, "n d"], k: int = 20
) -> Float[Tensor, "n t"]:
    """For each query the plain mean of the targets (numbers, or one-hot classes) of its k nearest in the bank by cosine, in float32.

    Where neighbours tie for the last of the k places, they share it: a model for which all are equal gives the bank's mean.
    """
    bank, queries = F.normalize(bank.float(), dim=-1), F.normalize(queries.float(), dim=-1)
    k = min(k, len(bank))
    tolerance = cosine_tolerance(bank.shape[1])
    step = max(1, SIMILARITIES // len(bank))
    return torch.cat([_means(part @ bank.T, bank_targets, k, tolerance) for part in queries.split(step)])


def _means(cosines: Float[Tensor, "n b"], targets: Float[Tensor, "b t"], k: int, tolerance: float) -> Float[Tensor, "n t"]:
    near = cosines.topk(min(k + 1, cosines.shape[1]), dim=1)
    means = targets[near.indices[:, :k]].mean(dim=1)
    if near.values.shape[1] > k:
        # Few rows, unless the model has collapsed: those whose last place is shared.
        shared = near.values[:, k - 1] - near.values[:, k] <= tolerance
        means[shared] = nearest_weights(cosines[shared], k, tolerance) @ targets / k
    return means


def knn_labels(
    bank: Float[Tensor, "b d"],
    bank_labels: Int[Tensor, " b"],
    queries: Float[Tensor, "n d"],
    classes: int,
    k: int = 20,
    temperature: float = 0.1,
) -> Int[Tensor, " n"]:
    """Weighted kNN (Wu et al., 2018): of the k nearest by cosine, each votes for its class with exp(cosine / temperature)."""
    cosines = F.normalize(queries.float(), dim=-1) @ F.normalize(bank.float(), dim=-1).T
    weights = nearest_weights(cosines, k, cosine_tolerance(bank.shape[1]))
    votes = (weights * (cosines / temperature).exp()) @ F.one_hot(bank_labels, classes).float()
    return first_largest(votes)


def nearest_weights(cosines: Float[Tensor, "n b"], k: int, tolerance: float = TIED) -> Float[Tensor, "n b"]:
    """The weight of each candidate among the k nearest: 1 for those nearer than the k-th; those that tie with it share the places that are left."""
    k = min(k, cosines.shape[1])
    last = cosines.topk(k, dim=1).values[:, -1:]
    nearer = (cosines > last + tolerance).float()
    tied = ((cosines - last).abs() <= tolerance).float()
    return nearer + tied * (k - nearer.sum(dim=1, keepdim=True)) / tied.sum(dim=1, keepdim=True)
