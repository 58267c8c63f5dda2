"""Supervised by the latents: an upper bound for every factor."""

from __future__ import annotations

from contextssl.method import Method, Parts, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.supervision import LatentSupervision

    return [LatentSupervision(parts.feature_width, parts.factors, parts.settings.projector_width)]


METHOD = Method("supervised-latents", "ceiling", terms, title="supervised: latents", place=12, reads=("projector_width",))
