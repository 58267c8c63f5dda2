"""The training objective: contrastive alignment of predictions with targets, and regression of the latents.

Pure functions of tensors. Predictions come as (pairs, 2, D): a source's prediction of its target, and the target's own embedding. Gathering
across processes happens outside: these functions see whatever pairs they are given.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

# The published implementation's floor on cosine similarities (it keeps a negative of negative cosine from any gradient).
PUBLISHED_CLAMP = 1e-7


def cosine_similarities(z: Float[Tensor, "pairs 2 D"]) -> Float[Tensor, "2*pairs 2*pairs"]:
    """Cosines of all tokens with all, rows 2k and 2k + 1 a pair, in float32 whatever the precision of ``z``."""
    unit = F.normalize(z.flatten(0, 1).float(), dim=-1)
    with torch.autocast(z.device.type, enabled=False):
        return unit @ unit.T


def nt_xent(z: Float[Tensor, "pairs 2 D"], temperature: float, clamp: float | None = None) -> Float[Tensor, ""]:
    """Normalised-temperature cross-entropy: each token picks its partner out of all others (Chen et al., 2020, equation 1).

    Args:
        z: predictions, not normalised.
        temperature: τ.
        clamp: floor on the cosines before the temperature; :data:`PUBLISHED_CLAMP` gives the published loss, None the textbook one.
    """
    return nt_xent_from_similarities(cosine_similarities(z), temperature, clamp)


def nt_xent_from_similarities(cosines: Float[Tensor, "tokens tokens"], temperature: float, clamp: float | None = None) -> Float[Tensor, ""]:
    """As :func:`nt_xent`, from the cosines of :func:`cosine_similarities`."""
    if clamp is not None:
        cosines = cosines.clamp(min=clamp)
    logits = cosines / temperature
    logits = logits.masked_fill(torch.eye(len(logits), dtype=torch.bool, device=logits.device), float("-inf"))
    partner = torch.arange(len(logits), device=logits.device) ^ 1
    return F.cross_entropy(logits, partner)


def mean_similarities(cosines: Float[Tensor, "tokens tokens"], published: bool = False) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean cosine of positive pairs, and of all other pairs of different tokens.

    With ``published``, the numbers that the published implementation logs: the mean absolute cosine of positives, and the mean of the whole
    matrix, each token's cosine with itself and the positives included.
    """
    positives = cosines.diagonal(1)[::2]
    if published:
        return positives.abs().mean(), cosines.mean()
    count = len(cosines)
    negatives = cosines.sum() - cosines.diagonal().sum() - 2 * positives.sum()
    return positives.mean(), negatives / max(count * (count - 2), 1)


def auxiliary_regression(
    prediction: Float[Tensor, "pairs 2 A"], latents: Float[Tensor, "pairs A"], active: Bool[Tensor, "pairs A"]
) -> Float[Tensor, ""]:
    """Squared error of both tokens of a pair against the target's absolute latents, over the active factors alone.

    The mean is taken over a pair's active numbers, then over the pairs that have any, so that a factor of many numbers does not outweigh one of
    few where environments differ from sequence to sequence. With one environment it is the plain mean. Pairs without an active factor
    (environment "none") count for nothing; a batch of only such pairs gives 0.
    """
    error = (prediction.float() - latents[:, None, :]).square().mean(dim=1)
    a_pair = (error * active).sum(dim=-1) / active.sum(dim=-1).clamp(min=1)
    counted = active.any(dim=-1)
    return (a_pair * counted).sum() / counted.sum().clamp(min=1)


def untold_alignment(
    unit: Float[Tensor, "pairs 2 D"], told_action: Float[Tensor, "pairs A"], exact: Bool[Tensor, " pairs"] | None = None
) -> Float[Tensor, ""]:
    """Mean squared distance of a pair's two tokens, where the views differ in nothing but factors that their environment does not tell.

    Those two are to be one and the same. The contrastive loss asks it too, but once a partner is nearer than all others its gradient fades;
    this one's does not (alignment of Wang & Isola, 2020, equation 4, of some pairs). No part of the paper. 0 where there is no such pair.

    Args:
        unit: normalised embeddings, without noise.
        told_action: of each pair's environment; pairs in which it tells any change do not count.
        exact: True at pairs whose views differ in nothing but their factors; None where all do.
    """
    apart = (unit[:, 0] - unit[:, 1]).float().square().sum(dim=-1)
    counted = (told_action == 0).all(dim=-1)
    if exact is not None:
        counted = counted & exact
    return (apart * counted).sum() / counted.sum().clamp(min=1)
