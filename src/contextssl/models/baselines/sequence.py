"""seq-JEPA: from several views of an item and the actions between them, the features of the next view."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contextssl.errors import InputError, SettingsError
from contextssl.factors import FactorSpace
from contextssl.models.baselines.heads import mlp
from contextssl.models.baselines.momentum import MovingAverage
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.objectives import negative_cosine
from contextssl.models.view_encoder import by_pairs

ACTION_WIDTH = 128
# Pairs of a sequence: three views that are seen, and the one that is predicted.
PAIRS = 2


class SequencePrediction(Term):
    """Three views of an item, each with the action to the next, predict the features of a fourth.

    Tokens are features with an embedding of the action next to them (of the last view, none); a transformer aggregates them in one more token; a
    predictor takes the aggregate and the last action, and the target is the feature by an exponential moving average of the encoder. So
    predictions live in the space of features, and the embedding of a view is the aggregate of a sequence of that view alone: the paper
    probes the class from aggregates of three views or more, and factors from features.

    Source: Ghaemi et al., "seq-JEPA: Autoregressive Predictive Learning of Invariant-Equivariant World Models", NeurIPS 2025. Its sequences are
    drawn for the method; here they are two pairs each of the ``pairs_per_item`` that a batch holds of an item, so that every method sees the same
    images. Without its dropout.
    """

    predicts_features = True

    def __init__(
        self,
        encoder: nn.Module,
        feature_width: int,
        factors: FactorSpace,
        hidden: int,
        layers: int,
        heads: int,
        momentum: float,
        pairs_per_item: int = 1,
    ) -> None:
        super().__init__()
        width = feature_width + ACTION_WIDTH
        if heads < 1 or width % heads:
            raise SettingsError(
                f"sequence_heads is {heads}: choose a divisor of {width}, the features' width and {ACTION_WIDTH} for an action"
            )
        self.factors, self.embedding_width, self.pairs_per_item = factors, width, pairs_per_item
        self.of_action = nn.Sequential(nn.Linear(factors.width, ACTION_WIDTH, bias=False), nn.BatchNorm1d(ACTION_WIDTH, affine=False))
        self.aggregate = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.predictor = mlp(width + ACTION_WIDTH, hidden, feature_width)
        # The attribute's name is in checkpoints.
        self.followed = MovingAverage(encoder, momentum)

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        batch = seen.batch
        rows = sequences(batch.items, self.pairs_per_item)
        features = seen.features[rows].flatten(1, 2)
        latents = batch.latents[rows].flatten(1, 2)
        actions = self.factors.relative(latents[:, :-1], latents[:, 1:]) * batch.active[rows[:, 0], None]
        with torch.no_grad():
            target = seen.whole.rows(by_pairs(self.followed(seen.views)))[rows].flatten(1, 2)[:, -1]
        return {"prediction": negative_cosine(self._predict(features[:, :-1], actions), target)}

    def _predict(self, features: Float[Tensor, "n views F"], actions: Float[Tensor, "n views A"]) -> Float[Tensor, "n F"]:
        """``actions[:, i]`` leads on from view i; the last is the predictor's alone."""
        encoded = self.of_action(actions.to(features.dtype).flatten(0, 1)).unflatten(0, actions.shape[:2])
        aggregate = self._aggregate(features, torch.cat([encoded[:, :-1], torch.zeros_like(encoded[:, -1:])], dim=1))
        return self.predictor(torch.cat([aggregate, encoded[:, -1].to(aggregate.dtype)], dim=-1))

    def _aggregate(self, features: Float[Tensor, "n views F"], within: Float[Tensor, "n views W"]) -> Float[Tensor, "n D"]:
        """The aggregate of views and of the actions between them."""
        tokens = torch.cat([features, within.to(features.dtype)], dim=-1)
        aggregate = self.aggregate.to(tokens.dtype).expand(len(tokens), 1, -1)
        return self.transformer(torch.cat([aggregate, tokens], dim=1))[:, 0]

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        return self._aggregate(features[:, None], features.new_zeros(len(features), 1, ACTION_WIDTH))

    def predict(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n F"]:
        return self._predict(features[:, None], actions[:, None])

    def after_step(self, encoder: nn.Module, progress: float) -> None:
        self.followed.update(encoder, progress)


def sequences(items: Int[Tensor, " pairs"], pairs_per_item: int) -> Int[Tensor, "sequences length"]:
    """The rows of a batch's pairs in sequences of two pairs of one item, of one where the batch has no more. An odd pair is dropped.

    ``pairs_per_item`` is given, since counting would wait for the device in every step. Raises InputError where the number of pairs says that the
    items cannot have as many each.
    """
    if len(items) % pairs_per_item:
        raise InputError(
            f"{len(items)} pairs are not {pairs_per_item} of each item: give seq-jepa whole batches of pairs_per_item={pairs_per_item}"
        )
    rows = items.argsort(stable=True).unflatten(0, (-1, pairs_per_item))
    length = min(PAIRS, pairs_per_item)
    return rows[:, : pairs_per_item // length * length].reshape(-1, length)
