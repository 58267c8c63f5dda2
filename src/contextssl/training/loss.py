"""The loss of one batch, as the paper states it. Free of Lightning: any loop can call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.config.settings import TrainSettings
from contextssl.data.pairs import PairBatch
from contextssl.method import METHODS
from contextssl.models.by_evidence import ByEvidence
from contextssl.models.contextssl import ContextSSL
from contextssl.models.contrast import PUBLISHED_CLAMP, LeftOut, alike_in_context, in_other_sequences, item_contrast, nt_xent, tokens
from contextssl.models.label_space import context_label_loss
from contextssl.models.objectives import auxiliary_regression, inactive_alignment, vicreg
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.whole_batch import ALONE, WholeBatch


@dataclass(frozen=True)
class Objective:
    """Contrastive loss + ``auxiliary_weight`` × auxiliary regression (Gupta et al., 2024, equations 2 to 4), which adds one mean per active
    factor; with ``inactive_weight`` (ours) the alignment of pairs that differ in inactive factors alone is added.

    Args:
        label_weight: of the loss of labels that depend on the context, where the model has a head for them.
        item_weight: of telling items apart in every context, where the model has a head for it.
        vicreg: coefficients of VICReg's terms on the predictions, in place of the contrastive loss (VICReg+).
        sequence: how many pairs a sequence has, where pairs are contrasted within their own; None: with the whole batch.
        invariant: no factor is ever active, so another view of the same item is no negative (SimCLR+).
    """

    temperature: float = 0.1
    clamp: float | None = PUBLISHED_CLAMP
    auxiliary_weight: float = 5.0
    inactive_weight: float = 0.0
    label_weight: float = 0.0
    item_weight: float = 0.0
    vicreg: tuple[float, float, float] | None = None
    invariant: bool = False
    sequence: int | None = None

    @classmethod
    def of(cls, settings: TrainSettings) -> Objective:
        """That of the settings' method; a method that is a sum of terms does not use it."""
        method = METHODS.find(settings.method)
        return cls() if method.objective is None else method.objective(settings, method.own(settings))


def clamp_of(settings: TrainSettings) -> float | None:
    """The floor of cosines in a contrastive loss."""
    return PUBLISHED_CLAMP if settings.clamp_similarities else None


@dataclass(frozen=True)
class Losses:
    """The loss, its parts, and what the meters take (all on the device, detached but for ``total``).

    Args:
        parts: of the loss, by name.
        batch: what it is of: all pairs of all processes, see :meth:`~contextssl.models.whole_batch.WholeBatch.batch`.
        unit: of a contrastive loss, the tokens that are contrasted, normalised.
        latents: predicted by the auxiliary head from both tokens of each pair.
    """

    total: Float[Tensor, ""]
    parts: Mapping[str, Float[Tensor, ""]]
    batch: PairBatch
    unit: Float[Tensor, "tokens D"] | None = None
    latents: Float[Tensor, "pairs 2 A"] | None = None


def contextssl_loss(
    model: ContextSSL, batch: PairBatch, objective: Objective, generator: torch.Generator | None = None, whole: WholeBatch = ALONE
) -> Losses:
    """The loss of a batch of pairs.

    Args:
        batch: this process's share, where there are several.
        generator: of the context masks and the bottleneck's noise, on the batch's device; the same in every process.
        whole: joins what the processes have, so that each computes the loss of the whole batch.
    """
    everything = whole.batch(batch)
    extra: dict[str, Tensor] = {}
    if isinstance(model, ByEvidence) or (whole.cuts_sequences and not model.takes_environment_name):
        features = whole.rows(model.pair_features(batch.source, batch.target))
        z = model.predictor(features, everything.active_action, generator)
        if isinstance(model, ByEvidence):
            extra = model.evidence_losses(features, everything.active_action, everything.latents, everything.active)
    else:
        # ẑ = h((f(x), a) | context)
        flags = {"active": batch.active} if model.takes_environment_name else {}
        z = whole.rows(model(batch.source, batch.target, batch.active_action, generator, **flags))
    return prediction_loss(model, z, everything, objective, generator, whole, extra)


def prediction_loss(
    model: ContextSSL,
    z: Float[Tensor, "pairs 2 D"],
    batch: PairBatch,
    objective: Objective,
    generator: torch.Generator | None = None,
    whole: WholeBatch = ALONE,
    extra: Mapping[str, Float[Tensor, ""]] | None = None,
) -> Losses:
    """The part of :func:`contextssl_loss` that follows the predictor.

    Args:
        z: predictions for all pairs of all processes, whose ``batch`` it is.
        extra: further terms of the loss, by name.
    """
    extra = dict(extra or {})
    if objective.vicreg is not None:
        return summed(vicreg(z, *objective.vicreg), batch)
    unit = F.normalize(z.float(), dim=-1)
    if model.training:
        model.bottleneck.observe(unit.detach().flatten(0, 1))
    clean = unit
    unit = model.bottleneck(unit, model.bottleneck_share, generator)
    left_out: list[LeftOut] = []
    if model.context_kind == "examples":
        left_out.append(partial(alike_in_context, batch.items, batch.latents, batch.active))
    if objective.sequence is not None:
        left_out.append(partial(in_other_sequences, len(batch), objective.sequence, unit.device))
    items = batch.items if objective.invariant else None
    contrastive = nt_xent(unit, objective.temperature, objective.clamp, items, left_out, whole)
    if model.item_head is not None:
        told_apart = item_contrast(model.item_head(clean).flatten(0, 1), batch.items.repeat_interleave(2), objective.temperature, whole)
        extra["items"] = objective.item_weight * told_apart
    total, parts, latents = contrastive, {"contrastive": contrastive.detach()}, None
    if model.auxiliary is not None:
        latents = model.auxiliary_prediction(unit)
        auxiliary = auxiliary_regression(latents, batch.target_latents, batch.active, model.factors.slices)
        total, parts["auxiliary"] = total + objective.auxiliary_weight * auxiliary, auxiliary.detach()
        if objective.inactive_weight > 0:
            # The views of an example share all active factors.
            apart = torch.zeros_like(batch.action) if model.context_kind == "examples" else batch.active_action
            total = total + objective.inactive_weight * inactive_alignment(clean, apart, batch.exact)
    for name, loss in extra.items():
        total, parts[name] = total + loss, loss.detach()
    if model.label_head is not None and model.label_space is not None:
        labels = model.label_space.labels(batch.target_latents, batch.labels, batch.active)
        loss = context_label_loss(model.label_head(unit), labels)
        total, parts["label"] = total + objective.label_weight * loss, loss.detach()
    return Losses(total, parts, batch, tokens(unit.detach()), None if latents is None else latents.detach())


def summed(parts: Mapping[str, Float[Tensor, ""]], batch: PairBatch) -> Losses:
    """The loss that is the sum of weighted parts, as baselines' are."""
    total = torch.stack(list(parts.values())).sum()
    return Losses(total, {name: loss.detach() for name, loss in parts.items()}, batch)


def loss_of(
    model: ViewEncoder, batch: PairBatch, objective: Objective, generator: torch.Generator | None = None, whole: WholeBatch = ALONE
) -> Losses:
    """The loss of the model's method; arguments as of :func:`contextssl_loss`."""
    if isinstance(model, ContextSSL):
        return contextssl_loss(model, batch, objective, generator, whole)
    batch = whole.batch(batch)
    return summed(model(batch, whole), batch)
