"""seq-JEPA: predicts the next view's features from several views of an item and the actions between them."""

from __future__ import annotations

from contextssl.method import Method, Parts, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.momentum import momentum_of
    from contextssl.models.baselines.sequence import SequencePrediction

    settings = parts.settings
    sizes = (settings.projector_width, settings.sequence_layers, settings.sequence_heads)
    return [SequencePrediction(parts.encoder, parts.feature_width, parts.factors, *sizes, momentum_of(settings), settings.pairs_per_item)]


METHOD = Method(
    "seq-jepa",
    "equivariance",
    terms,
    title="seq-JEPA",
    place=10,
    source="Ghaemi et al., 2025",
    # As long as a comparison trains on a CPU it learns nothing: docs/compare.md.
    compared=False,
    reads=("projector_width", "ema_momentum", "sequence_layers", "sequence_heads"),
)
