"""Metrics as functions of sums over items, for the bootstrap over items: what each row adds, and the number from the sums."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.bootstrap import Resampled, of_items, resample, resample_counts


def resampled_mean(values: Float[Tensor, " n"], items: Int[Tensor, " n"]) -> Resampled | None:
    """A mean over rows: an accuracy, a mean reciprocal rank, a mean angle."""
    rows = torch.stack([values.double(), torch.ones(len(values), dtype=torch.float64)], dim=1)
    return resample(of_items(rows, items), lambda sums: sums[..., 0] / sums[..., 1])


def resampled_r2(
    prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"], items: Int[Tensor, " n"]
) -> tuple[Resampled | None, Resampled | None]:
    """:func:`~contextssl.evaluation.metrics.r2_pooled` and :func:`~contextssl.evaluation.metrics.r2`."""
    prediction, target = prediction.cpu().double(), target.cpu().double()
    # About any one point the totals are the same; about the mean they lose no digits.
    value = target - target.mean(0)
    each = torch.cat([(target - prediction).square(), value, value.square(), torch.ones(len(target), 1)], dim=1)
    flat = target - target.mean()
    pooled = torch.stack(
        [(target - prediction).square().sum(1), flat.sum(1), flat.square().sum(1), torch.full_like(flat[:, 0], flat.shape[1])], 1
    )

    def r2_pooled(sums: np.ndarray) -> np.ndarray:
        residual, first, second, count = np.moveaxis(sums, -1, 0)
        return np.asarray(1 - residual / (second - first**2 / count))

    def r2(sums: np.ndarray) -> np.ndarray:
        residual, first, second = np.split(sums[..., :-1], 3, axis=-1)
        return np.asarray((1 - residual / (second - first**2 / sums[..., -1:])).mean(-1))

    return resample(of_items(pooled, items), r2_pooled), resample(of_items(each, items), r2)


def resampled_share(residual: Float[Tensor, " n"], deviation: Float[Tensor, "n D"], items: Int[Tensor, " n"]) -> Resampled | None:
    """A variance share, from each row's squared residual and its deviation from the mean embedding. The cross-fitted basis stays fixed."""
    one = torch.ones(len(residual), 1, dtype=torch.float64)
    rows = torch.cat([residual[:, None].double(), deviation.double().square().sum(1, keepdim=True), one, deviation.double()], dim=1)
    return resample(of_items(rows, items), lambda sums: 1 - sums[..., 0] / (sums[..., 1] - np.square(sums[..., 3:]).sum(-1) / sums[..., 2]))


def resampled_classes(
    prediction: Int[Tensor, " n"], labels: Int[Tensor, " n"], items: Int[Tensor, " n"]
) -> tuple[Resampled | None, Resampled | None]:
    """Accuracy, and balanced accuracy: the mean recall of the classes that occur."""
    right = prediction == labels
    classes = int(labels.max()) + 1
    there = F.one_hot(labels, classes).double()
    sums = of_items(torch.cat([there * right[:, None], there], dim=1), items)

    def balanced(sums: np.ndarray) -> np.ndarray:
        found, there = np.split(sums, 2, axis=-1)
        shares = np.where(there > 0, found / np.maximum(there, 1), 0)
        return np.asarray(shares.sum(-1) / (there > 0).sum(-1))

    return resampled_mean(right.double(), items), resample(sums, balanced)


def resampled_distances(moved: Float[Tensor, " n"], z: Float[Tensor, "n D"], items: Int[Tensor, " n"]) -> Resampled | None:
    """The mean of ``moved`` over the mean squared distance between rows of different items, :mod:`~contextssl.evaluation.sensitivity`'s number.

    The distance of an item that was drawn twice to itself is that of one item, and left out.
    """
    z = z.double()
    # |x - y|² summed over the rows of two items, from their sums: n |x|² + m |y|² - 2 ⟨Σx, Σy⟩.
    rows = torch.cat([torch.ones(len(z), 1, dtype=torch.float64), moved[:, None].double(), z.square().sum(1, keepdim=True), z], dim=1)
    sums = of_items(rows, items)
    size, shift, square, total = sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3:]
    between = size[:, None] * square[None] + square[:, None] * size[None] - 2 * total @ total.T
    pairs = size[:, None] * size[None]
    for matrix in (between, pairs):
        np.fill_diagonal(matrix, 0)

    def number(counts: np.ndarray) -> np.ndarray:
        apart = ((counts @ between) * counts).sum(1) / ((counts @ pairs) * counts).sum(1)
        return np.asarray((counts @ shift) / (counts @ size) / apart)

    return resample_counts(len(sums), number)
