"""SimCLR: contrastive loss between two views of an item, with other items' views as negatives."""

from __future__ import annotations

from contextssl.method import Method, Parts, PublishedRow, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.invariance import Contrast

    settings = parts.settings
    return [Contrast(parts.feature_width, settings.projector_width, settings.projection_dim, settings.temperature)]


METHOD = Method(
    "simclr",
    "invariance",
    terms,
    title="SimCLR",
    place=1,
    source="Chen et al., 2020",
    reads=("temperature", "projector_width", "projection_dim"),
    published=(PublishedRow(0, "invariance", "SimCLR", 0.506, 0.148, 0.853),),
)
