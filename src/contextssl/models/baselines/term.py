"""A term of a method's loss: its inputs, and what it may provide."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.pairs import PairBatch
from contextssl.models.baselines.heads import projector
from contextssl.models.whole_batch import ALONE, WholeBatch


@dataclass(frozen=True)
class Seen:
    """One batch, encoded: the whole of it, where several processes share it.

    Args:
        views: (2 · own pairs, ...) what the encoder was given in this process: all sources, then all targets.
        features: [:, 0] of sources, [:, 1] of targets.
        whole: joins what else is computed of this process's views.
    """

    batch: PairBatch
    views: Tensor
    features: Float[Tensor, "pairs 2 F"]
    whole: WholeBatch = ALONE


class Term(nn.Module):
    """One part of a loss with its heads.

    A term whose space is the method's embedding says how wide that is; the last such term of a method gives its embeddings and predictions.
    """

    embedding_width: int | None = None
    # Whether predictions are of features, to be compared with features and not with embeddings.
    predicts_features = False

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        """Named losses, weighted; their sum is what the term adds to the method's."""
        raise NotImplementedError

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        """Embeddings of views."""
        raise NotImplementedError

    def predict(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        """Embeddings of what the actions make of the views: of a method without actions, of the views themselves."""
        return self.embed(features)

    def after_step(self, encoder: nn.Module, progress: float) -> None:
        """Called when the optimiser has stepped and the share ``progress`` of training, 0 to 1, is done: a moving average is updated here."""


class Projected(Term):
    """A term in the space of a projector, which gives the embeddings."""

    def __init__(self, feature_width: int, hidden: int, width: int) -> None:
        super().__init__()
        self.projector, self.embedding_width = projector(feature_width, hidden, width), width

    def projections(self, seen: Seen) -> Float[Tensor, "pairs 2 D"]:
        return self.projector(seen.features.flatten(0, 1)).unflatten(0, (-1, 2))

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        return self.projector(features)
