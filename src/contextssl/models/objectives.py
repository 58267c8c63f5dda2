"""The terms that training objectives are made of, but for contrast: regression of latents, and what keeps representations apart without negatives.

Pure functions of tensors. Pairs come as (pairs, 2, D), such as a source's prediction of its target, and the target's own embedding. Gathering
across processes happens outside: these functions see whatever pairs they are given.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def factor_errors(error: Float[Tensor, "pairs A"], active: Bool[Tensor, "pairs A"], factors: Sequence[slice]) -> Float[Tensor, ""]:
    """Of each pair the sum over its active factors of that factor's own mean, then the mean over the pairs that have any.

    So each factor counts once, however many numbers it has, as in the published loss, which adds one mean per active factor. Pairs without an
    active factor (environment "none") count for nothing; a batch of only such pairs gives 0.

    Args:
        error: of each number of an action or of latents.
        active: True at the numbers that count.
        factors: where each factor's numbers lie (:attr:`~contextssl.factors.FactorSpace.slices`).
    """
    by_factor = [(error[:, block] * active[:, block]).sum(dim=-1) / active[:, block].sum(dim=-1).clamp(min=1) for block in factors]
    counted = active.any(dim=-1)
    return (torch.stack(by_factor).sum(dim=0) * counted).sum() / counted.sum().clamp(min=1)


def auxiliary_regression(
    prediction: Float[Tensor, "pairs 2 A"],
    latents: Float[Tensor, "pairs A"],
    active: Bool[Tensor, "pairs A"],
    factors: Sequence[slice],
) -> Float[Tensor, ""]:
    """Squared error of both tokens of a pair against the target's absolute latents, over the active factors alone.

    Averaged over the numbers of a factor, summed over a pair's active factors, averaged over the pairs that have any: :func:`factor_errors`. With
    one environment for all pairs this is the published loss: of the environment "both" the sum of the two factors' mean squared errors.

    Args:
        factors: where each factor's numbers lie (:attr:`~contextssl.factors.FactorSpace.slices`).
    """
    return factor_errors((prediction.float() - latents[:, None, :]).square().mean(dim=1), active, factors)


def inactive_alignment(
    unit: Float[Tensor, "pairs 2 D"], active_action: Float[Tensor, "pairs A"], exact: Bool[Tensor, " pairs"] | None = None
) -> Float[Tensor, ""]:
    """Mean squared distance of a pair's two tokens, where the views differ only in factors that are inactive in their environment.

    The two should be the same. The contrastive loss asks for this too, but its gradient fades once the partner is nearer than all others;
    this one's does not (alignment of Wang & Isola, 2020, equation 4, of some pairs). Not in the paper. 0 where there is no such pair.

    Args:
        unit: normalised embeddings, without noise.
        active_action: actions with inactive blocks zeroed; pairs in which an active factor changes do not count.
        exact: True at pairs whose views differ in nothing but their factors; None where all do.
    """
    apart = (unit[:, 0] - unit[:, 1]).float().square().sum(dim=-1)
    counted = (active_action == 0).all(dim=-1)
    if exact is not None:
        counted = counted & exact
    return (apart * counted).sum() / counted.sum().clamp(min=1)


def variance_hinge(z: Float[Tensor, "n D"], goal: float = 1.0) -> Float[Tensor, ""]:
    """How far each dimension's deviation falls short of ``goal``, on average: what keeps embeddings from collapsing without negatives.

    Source: Bardes et al., "VICReg", 2022, equation 1, with their ε of 1e-4 and n - 1 in the variance.
    """
    return F.relu(goal - (z.float().var(dim=0) + 1e-4).sqrt()).mean()


def covariance_penalty(z: Float[Tensor, "n D"]) -> Float[Tensor, ""]:
    """Sum of the squared covariances of different dimensions, over D (Bardes et al., "VICReg", 2022, equations 3 and 4)."""
    centred = z.float() - z.float().mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]


def vicreg(
    z: Float[Tensor, "pairs 2 D"], invariance: float = 10.0, variance: float = 10.0, covariance: float = 1.0
) -> dict[str, Float[Tensor, ""]]:
    """The three weighted terms of VICReg: mean squared difference of a pair's ends; variance, averaged over the ends; covariance, summed over them.

    Source: Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization", ICLR 2022, equation 6, in the form of its implementation. The
    coefficients are those that Garrido et al. (2023) use on 3DIEBench.
    """
    source, target = z.float().unbind(1)
    return {
        "invariance": invariance * F.mse_loss(source, target),
        "variance": variance * (variance_hinge(source) + variance_hinge(target)) / 2,
        "covariance": covariance * (covariance_penalty(source) + covariance_penalty(target)),
    }


def sie(
    invariant: Float[Tensor, "pairs 2 I"],
    equivariant: Float[Tensor, "pairs 2 E"],
    predicted: Float[Tensor, "pairs E"],
    coefficients: tuple[float, float, float] = (10.0, 10.0, 1.0),
    equivariance_factor: float = 0.45,
) -> dict[str, Float[Tensor, ""]]:
    """The weighted terms of SIE's loss, whose sum is the loss.

    ``equivariance_factor`` multiplies the invariance coefficient: the weight of the equivariance term is their product. The hinge on the
    prediction's variance counts one half, as that of each of a pair's ends does.

    Source: Garrido et al., "Self-supervised learning of split invariant equivariant representations", ICML 2023, section 4, with the weights of
    its implementation (there 10, 10, 1, and 0.45 or 4.5).

    Args:
        invariant, equivariant: the two halves of the embeddings of both views.
        predicted: of the target's equivariant half, from the source's and the action.
        coefficients: of invariance, variance and covariance.
    """
    invariance, variance, covariance = coefficients
    source, target = torch.cat([invariant, equivariant], dim=-1).float().unbind(1)
    return {
        "invariance": invariance * F.mse_loss(invariant[:, 0].float(), invariant[:, 1].float()),
        "equivariance": invariance * equivariance_factor * F.mse_loss(predicted.float(), equivariant[:, 1].float()),
        "variance": variance * (variance_hinge(source) + variance_hinge(target)) / 2,
        "predicted_variance": variance * variance_hinge(predicted) / 2,
        "covariance": covariance * (covariance_penalty(source) + covariance_penalty(target)),
    }


def negative_cosine(prediction: Float[Tensor, "n D"], target: Float[Tensor, "n D"]) -> Float[Tensor, ""]:
    """2 - 2 cos, averaged: the squared distance of the two after normalising (Grill et al., "BYOL", 2020, equation 2). No gradient to the target."""
    return 2 - 2 * F.cosine_similarity(prediction.float(), target.detach().float(), dim=-1).mean()
