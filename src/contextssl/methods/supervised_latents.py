"""Every factor, learnt from the latents themselves: what can be reached where they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.method import Method, Parts

if TYPE_CHECKING:
    from contextssl.models.baselines.term import Term


def terms(parts: Parts) -> list[Term]:
    from contextssl.models.baselines.supervision import LatentSupervision

    return [LatentSupervision(parts.feature_width, parts.factors, parts.settings.projector_width)]


METHOD = Method("supervised-latents", "ceiling", terms, title="supervised: latents", place=12, reads=("projector_width",))
