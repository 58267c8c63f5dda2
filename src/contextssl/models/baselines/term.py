"""A term of a method's loss: its inputs, and what it may provide."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.pairs import PairBatch
from contextssl.models.whole_batch import ALONE, WholeBatch


@dataclass(frozen=True)
class Seen:
    """One batch, encoded: the whole of it, where several processes share it.

    Args:
        batch: the pairs; the action, inactive blocks zeroed, is ``batch.active_action``.
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
        """Called when the optimiser has stepped: an exponential moving average of the encoder is updated here.

        Args:
            progress: the share of training that is done, 0 to 1.
        """
