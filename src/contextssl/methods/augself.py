"""AugSelf: SimCLR's term, and regression of the action on both views' features."""

from __future__ import annotations

from contextssl.method import Method, Parts, Terms
from contextssl.methods import simclr


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.action_regression import ActionRegression

    settings = parts.settings
    weight = 1.0 if settings.equivariance_weight is None else settings.equivariance_weight
    return [*simclr.terms(parts), ActionRegression(parts.feature_width, parts.factors, settings.projector_width, weight)]


METHOD = Method(
    "augself",
    "equivariance",
    terms,
    title="AugSelf",
    place=8,
    source="Lee et al., 2021",
    reads=("temperature", "projector_width", "projection_dim", "equivariance_weight"),
)
