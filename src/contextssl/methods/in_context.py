"""ContextSSL: contrastive loss on predictions in a context, and auxiliary regression of the active factors."""

from __future__ import annotations

from typing import Any

from contextssl.method import IN_CONTEXT, Loss, Method, Model, Parts, PublishedRow, Settings


def model(parts: Parts) -> Model:
    from contextssl.models.build import in_context_model
    from contextssl.models.by_evidence import ByEvidence
    from contextssl.models.by_examples import ByExamples
    from contextssl.models.contextssl import ContextSSL

    kinds = {kind.context_kind: kind for kind in (ContextSSL, ByExamples, ByEvidence)}
    return in_context_model(parts, kinds[parts.settings.context])


def without_actions(parts: Parts) -> Model:
    """The model of methods that train the same transformer by another loss."""
    from contextssl.models.build import in_context_model

    return in_context_model(parts, auxiliary=False)


def objective(settings: Settings, own: Any) -> Loss:
    from contextssl.training.loss import Objective, clamp_of

    weights = (settings.weight_equiv_loss, settings.weight_inactive, settings.weight_labels, settings.weight_items)
    within = settings.block_size // 2 if settings.negatives == "sequence" else None
    return Objective(settings.temperature, clamp_of(settings), *weights, sequence=within)


READS = (
    *IN_CONTEXT,
    *("context", "negatives", "bottleneck", "clamp_similarities", "temperature"),
    *("auxiliary_width", "auxiliary_scale", "weight_equiv_loss", "weight_inactive", "weight_items", "label_bins", "env_ratio", "env_per"),
)
METHOD = Method(
    "contextssl",
    "context",
    model=model,
    objective=objective,
    title="ContextSSL",
    place=15,
    contexts=True,
    source="Gupta et al., 2024",
    reads=READS,
    published=(
        PublishedRow(8, "rotation", "ContextSSL, rotation context", 0.744, 0.023, 0.804),
        PublishedRow(12, "color", "ContextSSL, colour context", 0.344, 0.986, 0.804),
    ),
    published_retrieval={
        "0": {"mrr": 0.240, "hit@1": 0.108, "hit@5": 0.366},
        "2": {"mrr": 0.270, "hit@1": 0.129, "hit@5": 0.412},
        "14": {"mrr": 0.373, "hit@1": 0.223, "hit@5": 0.541},
        "30": {"mrr": 0.396, "hit@1": 0.245, "hit@5": 0.561},
        "126": {"mrr": 0.402, "hit@1": 0.292, "hit@5": 0.568},
    },
)
