"""Least-squares concept erasure: the smallest linear change after which no linear probe finds a concept.

Source: Belrose et al., "LEACE: Perfect linear concept erasure in closed form", NeurIPS 2023, theorem 4.2. Fitted once on
labelled vectors, it changes a frozen representation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.ridge_regression import one_thread

# Directions whose variance is below this share of the largest are left as they are: too few vectors to know them.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Erasure:
    """x ↦ x - change (x - mean). ``change`` is (d, d), ``mean`` (d,), in double precision."""

    change: Float[Tensor, "d d"]
    mean: Float[Tensor, " d"]

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return (x.double() - (x.double() - self.mean) @ self.change.T).to(x.dtype)


def fit_erasure(x: Float[Tensor, "n d"], concept: Float[Tensor, "n k"]) -> Erasure:
    """The erasure r(x) = x - W⁺ P W (x - E x) with W = Σxx^(-½) and P the orthogonal projection onto the columns of W Σxz.

    After it the cross-covariance of these vectors with the concept (numbers, or one-hot) is zero, so no linear classifier does better than a
    constant; among all affine maps of this kind it moves them least. A concept of one value is left where it is.
    """
    x, z = x.double(), concept.double()
    mean = x.mean(0)
    centred, value = x - mean, z - z.mean(0)
    covariance, cross = centred.T @ centred / len(x), centred.T @ value / len(x)
    with one_thread():
        variances, axes = torch.linalg.eigh(covariance)
        known = variances > TOLERANCE * variances.max().clamp(min=1e-300)
        root = torch.where(known, variances.clamp(min=0).sqrt(), 0.0)
        whiten = axes * torch.where(known, 1 / root.clamp(min=1e-300), 0.0) @ axes.T
        dewhiten = axes * root @ axes.T
        left, sizes, _ = torch.linalg.svd(whiten @ cross, full_matrices=False)
    # A concept that the vectors have nothing to do with leaves sizes of rounding errors.
    basis = left[:, sizes > 1e-9]
    return Erasure(dewhiten @ basis @ basis.T @ whiten, mean)
