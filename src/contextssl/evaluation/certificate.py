"""An upper bound on the information of one noisy embedding about one factor, from views with that factor drawn anew.

Let C be the factor, U all else of a view, z(U, C) its embedding in a fixed context, and z̃ = z + σ N with N standard Gaussian noise in each
dimension. Where C is drawn independently of U,

    I(C; z̃) ≤ I(C; z̃ | U) ≤ E_U ½ log det(I + Cov(z | U) / σ²) ≤ ½ log det(I + E_U Cov(z | U) / σ²):

conditioning on the rest can only increase it; given the rest, z̃ is a Gaussian channel whose input has that covariance (Cover & Thomas,
Elements of Information Theory, section 9.4); and log det is concave. With z′ the same view with C drawn anew, E_U Cov(z | U) = ½ E (z - z′)(z - z′)ᵀ.

Where C is not independent of U, as in a table of people, the second expression is still bounded: the information about the factor
given everything else of the view. What the rest holds about it comes in addition.

It holds for one draw of the noise. n embeddings of the same view, each with independent noise, average the noise: replace σ² by σ² / n.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.ridge_regression import one_thread
from contextssl.factors import Factor


def redrawn_nats(moved: Float[Tensor, "n D"], deviation: float, *, same_distribution: bool = True) -> float:
    """½ log det(I + E_U Cov(z | U) / σ²), in nats; infinite without noise.

    Args:
        moved: z′ - z of views with the factor drawn anew.
        deviation: σ.
        same_distribution: whether both values of a view come from one distribution, for which the bound then holds; otherwise the covariance
            is taken as E (z - z′)(z - z′)ᵀ, no less than that under either.
    """
    if deviation == 0:
        return math.inf
    moved = moved.double()
    # Of few views the smaller of the two matrices with the same eigenvalues.
    product = moved @ moved.T if len(moved) < moved.shape[1] else moved.T @ moved
    with one_thread():
        spread = torch.linalg.eigvalsh((0.5 if same_distribution else 1.0) * product / len(moved)).clamp(min=0)
    return float(0.5 * torch.log1p(spread / deviation**2).sum())


def flipped_nats(moved: Float[Tensor, "n D"], deviation: float) -> float:
    """½ log(1 + E |z - z′|² / 4σ²) of a factor of two values, in nats and at most log 2; infinite without noise.

    Given the rest, the embedding is one of two points: a channel of one dimension whose input has a variance of a quarter of the squared distance
    at most, however likely either value is. ``moved`` is z′ - z of views with the factor's other value.
    """
    if deviation == 0:
        return math.inf
    return min(math.log(2), 0.5 * math.log1p(float(moved.double().square().sum(1).mean()) / (4 * deviation**2)))


def factor_nats(factor: Factor, moved: Float[Tensor, "n D"], deviation: float) -> float:
    """The bound for a factor of one of our data sets, from views with it drawn anew (:class:`~contextssl.evaluation.sensitivity.Variations`).

    Categories are drawn anew evenly over their values: of two, half of the draws bring the other one; of more, the bound is at most the log of
    their number.
    """
    if deviation == 0 or factor.relation != "category":
        return redrawn_nats(moved, deviation)
    if factor.width <= 2:
        return flipped_nats(math.sqrt(2) * moved, deviation)
    return min(math.log(factor.width), redrawn_nats(moved, deviation, same_distribution=False))
