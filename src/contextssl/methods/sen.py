"""SEN: the action applied to one view's projection gives the other's."""

from __future__ import annotations

from contextssl.method import Method, Parts, PublishedRow, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.predicted_contrast import PredictedContrast

    settings = parts.settings
    weight = 1.0 if settings.equivariance_weight is None else settings.equivariance_weight
    widths = (parts.feature_width, parts.factors.width, settings.projector_width, settings.projection_dim)
    return [PredictedContrast(*widths, settings.temperature, weight)]


METHOD = Method(
    "sen",
    "equivariance",
    terms,
    title="SEN",
    place=6,
    source="Park et al., 2022",
    reads=("temperature", "projector_width", "projection_dim", "equivariance_weight"),
    published=(PublishedRow(7, "rotation", "SEN", 0.633, 0.055, 0.815), PublishedRow(11, "color", "SEN", 0.386, 0.949, 0.776)),
    published_retrieval={"SEN": {"mrr": 0.17, "hit@1": 0.05, "hit@5": 0.22}},
)
