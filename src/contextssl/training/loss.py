"""The loss of one batch, as the paper states it. Free of Lightning: any loop can call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.config.settings import TrainSettings
from contextssl.context_labels import context_label_loss
from contextssl.models.baselines.build import vicreg_coefficients
from contextssl.models.contextssl import ContextSSL
from contextssl.models.view_encoder import ViewEncoder
from contextssl.objectives import (
    PUBLISHED_CLAMP,
    auxiliary_regression,
    cosine_similarities,
    nt_xent_from_similarities,
    untold_alignment,
    vicreg,
)
from contextssl.pairs import PairBatch


@dataclass(frozen=True)
class Objective:
    """Contrastive loss + ``auxiliary_weight`` × auxiliary regression (Gupta et al., 2024, equations 2 to 4), which adds one mean for each told
    factor.

    With ``untold_weight`` (ours) the alignment of pairs that differ in untold factors alone is added.

    Args:
        label_weight: of the labels that depend on the context, where the model has a head for them.
        vicreg: coefficients of VICReg's terms on the predictions, in the place of the contrastive loss (VICReg+).
        invariant: no pair's action is told, so another view of the same item is no negative (SimCLR+).
    """

    temperature: float = 0.1
    clamp: float | None = PUBLISHED_CLAMP
    auxiliary_weight: float = 5.0
    untold_weight: float = 0.0
    label_weight: float = 0.0
    vicreg: tuple[float, float, float] | None = None
    invariant: bool = False

    @classmethod
    def of(cls, settings: TrainSettings) -> Objective:
        clamp = PUBLISHED_CLAMP if settings.clamp_similarities else None
        if settings.method == "vicreg+":
            return cls(vicreg=vicreg_coefficients(settings), invariant=True)
        if settings.method == "simclr+":
            return cls(settings.temperature, clamp, invariant=True)
        return cls(settings.temperature, clamp, settings.weight_equiv_loss, settings.weight_untold, settings.weight_labels)


@dataclass(frozen=True)
class Losses:
    """The loss, its parts, and what the meters read (all on the device, detached but for ``total``).

    Args:
        parts: by name what the loss is made of.
        cosines: of all tokens with all, of a contrastive loss.
        latents: that the auxiliary head reads from both tokens of each pair.
    """

    total: Float[Tensor, ""]
    parts: Mapping[str, Float[Tensor, ""]]
    cosines: Float[Tensor, "tokens tokens"] | None = None
    latents: Float[Tensor, "pairs 2 A"] | None = None


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
    told = {"active": batch.active} if model.told_by_name else {}
    z = model(batch.source, batch.target, batch.told_action, generator, **told)  # ẑ = h((f(x), a) | context)
    if objective.vicreg is not None:
        return summed(vicreg(gather(z), *objective.vicreg))
    unit = F.normalize(z.float(), dim=-1)
    if model.training:
        model.bottleneck.observe(unit.detach().flatten(0, 1))
    clean = unit
    unit = model.bottleneck(unit, model.bottleneck_share, generator)
    cosines = cosine_similarities(gather(unit))
    items = gather(batch.items) if objective.invariant else None
    contrastive = nt_xent_from_similarities(cosines, objective.temperature, objective.clamp, items)
    if not model.reads_latents:
        return Losses(contrastive, {"contrastive": contrastive.detach()}, cosines.detach())
    latents = model.auxiliary_prediction(unit)
    auxiliary = auxiliary_regression(latents, batch.target_latents, batch.active, model.factors.slices)
    total = contrastive + objective.auxiliary_weight * auxiliary
    if objective.untold_weight > 0:
        total = total + objective.untold_weight * untold_alignment(clean, batch.told_action, batch.exact)
    parts = {"contrastive": contrastive.detach(), "auxiliary": auxiliary.detach()}
    if model.label_head is not None and model.label_space is not None:
        labels = model.label_space.labels(batch.target_latents, batch.labels, batch.active)
        parts["label"] = context_label_loss(model.label_head(unit), labels)
        total = total + objective.label_weight * parts["label"]
        parts["label"] = parts["label"].detach()
    return Losses(total, parts, cosines.detach(), latents.detach())


def summed(parts: Mapping[str, Float[Tensor, ""]]) -> Losses:
    """The loss that is the sum of weighted parts, as rivals' are."""
    total = torch.stack(list(parts.values())).sum()
    return Losses(total, {name: loss.detach() for name, loss in parts.items()})


def loss_of(
    model: ViewEncoder,
    batch: PairBatch,
    objective: Objective,
    generator: torch.Generator | None = None,
    gather: Callable[[Tensor], Tensor] = lambda z: z,
) -> Losses:
    """The loss of whatever method the model is of; arguments as of :func:`contextssl_loss`."""
    if isinstance(model, ContextSSL):
        return contextssl_loss(model, batch, objective, generator, gather)
    return summed(model(batch, gather))
