"""The loss of one batch, as the paper states it. Free of Lightning: any loop can call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.config.settings import ObjectiveSettings
from contextssl.models.contextssl import ContextSSL
from contextssl.objectives import (
    PUBLISHED_CLAMP,
    auxiliary_regression,
    cosine_similarities,
    nt_xent_from_similarities,
    untold_alignment,
)
from contextssl.pairs import PairBatch


@dataclass(frozen=True)
class Objective:
    """Contrastive loss + ``auxiliary_weight`` × auxiliary regression (Gupta et al., 2024, equations 2 to 4).

    With ``untold_weight`` (ours) the alignment of pairs that differ in untold factors alone is added.
    """

    temperature: float = 0.1
    clamp: float | None = PUBLISHED_CLAMP
    auxiliary_weight: float = 5.0
    untold_weight: float = 0.0

    @classmethod
    def of(cls, settings: ObjectiveSettings) -> Objective:
        return cls(
            settings.temperature,
            PUBLISHED_CLAMP if settings.clamp_similarities else None,
            settings.weight_equiv_loss,
            settings.weight_untold,
        )


@dataclass(frozen=True)
class Losses:
    """The loss, its parts, and what the meters read (all on the device, detached but for ``total``)."""

    total: Float[Tensor, ""]
    contrastive: Float[Tensor, ""]
    auxiliary: Float[Tensor, ""]
    cosines: Float[Tensor, "tokens tokens"]
    latents: Float[Tensor, "pairs 2 A"]


def contextssl_loss(
    model: ContextSSL,
    batch: PairBatch,
    objective: Objective,
    generator: torch.Generator | None = None,
    gather: Callable[[Tensor], Tensor] = lambda z: z,
) -> Losses:
    """The loss of a batch of pairs.

    Args:
        generator: of the context masks and the bottleneck's noise, on the batch's device.
        gather: joins predictions (pairs, 2, D) over processes, so that every process contrasts with all of them.
    """
    z = model(batch.source, batch.target, batch.told_action, generator)  # ẑ = h((f(x), a) | context)
    unit = F.normalize(z.float(), dim=-1)
    if model.training:
        model.bottleneck.observe(unit.detach().flatten(0, 1))
    clean = unit
    unit = model.bottleneck(unit, model.bottleneck_share, generator)
    cosines = cosine_similarities(gather(unit))
    latents = model.auxiliary_prediction(unit)
    contrastive = nt_xent_from_similarities(cosines, objective.temperature, objective.clamp)
    auxiliary = auxiliary_regression(latents, batch.target_latents, batch.active)
    total = contrastive + objective.auxiliary_weight * auxiliary
    if objective.untold_weight > 0:
        total = total + objective.untold_weight * untold_alignment(clean, batch.told_action, batch.exact)
    return Losses(total, contrastive.detach(), auxiliary.detach(), cosines.detach(), latents.detach())
