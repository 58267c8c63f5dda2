"""The noise bottleneck on a set of embeddings, and what it carries of everything together.

The bound on one factor is :mod:`contextssl.evaluation.certificate`'s.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.ridge_regression import one_thread


def noise_deviation(unit: Float[Tensor, "n D"], share: float) -> float:
    """The deviation of the noise in each of the D dimensions: its total variance is ``share`` × that of this set about its mean (where
    :class:`~contextssl.models.bottleneck.NoiseBottleneck` takes the one that was tracked over training batches of all contexts).
    """
    variance = float(unit.double().var(dim=0, unbiased=False).sum())
    return math.sqrt(share * variance / unit.shape[1])


def with_noise(unit: Float[Tensor, "n D"], deviation: float, generator: torch.Generator) -> Float[Tensor, "n D"]:
    """The set with one draw of noise for each of its rows."""
    if deviation == 0:
        return unit
    return unit + deviation * torch.randn(unit.shape, generator=generator, dtype=unit.dtype)


def capacity_nats(unit: Float[Tensor, "n D"], deviation: float) -> float:
    """An upper bound on the information of one noisy embedding about everything together, in nats: ½ Σᵢ log(1 + sᵢ / deviation²).

    sᵢ are the variances along the principal directions. Among embeddings with these variances a Gaussian one holds the most under
    Gaussian noise (Cover & Thomas, Elements of Information Theory, section 9.4), so this bounds the mutual information of the embedding,
    and by the data processing inequality of whatever it was computed from, with its noisy version. Infinite without noise.
    """
    if deviation == 0:
        return math.inf
    with one_thread():
        signal = torch.linalg.eigvalsh(unit.double().T.cov(correction=0)).clamp(min=0)
    return float(0.5 * torch.log1p(signal / deviation**2).sum())
