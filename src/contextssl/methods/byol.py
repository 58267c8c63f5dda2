"""BYOL: one view predicts the other's projection by an exponential moving average (EMA) network."""

from __future__ import annotations

from contextssl.method import Method, Parts, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.ema_prediction import Bootstrap
    from contextssl.models.baselines.momentum import momentum_of

    settings = parts.settings
    widths = (parts.feature_width, settings.projector_width, settings.projection_dim)
    return [Bootstrap(parts.encoder, *widths, momentum_of(settings))]


METHOD = Method(
    "byol",
    "invariance",
    terms,
    title="BYOL",
    place=3,
    source="Grill et al., 2020",
    reads=("projector_width", "projection_dim", "ema_momentum"),
)
