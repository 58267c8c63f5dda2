"""seq-JEPA: from several views of an item and the actions between them, the features of the next view."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from contextssl.errors import InputError
from contextssl.factors import FactorSpace
from contextssl.models.baselines.heads import mlp
from contextssl.models.baselines.momentum import Follower
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.view_encoder import by_pairs
from contextssl.objectives import negative_cosine

ACTION_WIDTH = 64


class SequencePrediction(Term):
    """All views that a batch has of an item but the last, each with the action to the next, tell that last one's features.

    A transformer joins the views (an aggregate token reads them), a predictor takes the aggregate and the last action, and the target is the
    feature that a slowly following encoder gives. So predictions live in the space of features, and the embedding of a view is the aggregate of a
    sequence of that view alone: the paper reads the class from aggregates, and factors from features.

    Source: Ghaemi et al., "seq-JEPA: Autoregressive Predictive Learning of Invariant-Equivariant World Models", 2025. There a sequence is drawn
    for the method; here it is what the batch holds: 2 × pairs_per_item views of an item, so that every method sees the same images.

    Args:
        pairs_per_item: pairs that a batch has of each of its items.
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
        self.factors, self.embedding_width, self.pairs_per_item = factors, feature_width, pairs_per_item
        self.of_action = nn.Linear(factors.width, ACTION_WIDTH)
        self.read_in = nn.Linear(feature_width + ACTION_WIDTH, feature_width)
        self.aggregate = nn.Parameter(torch.randn(feature_width) * feature_width**-0.5)
        layer = nn.TransformerEncoderLayer(feature_width, heads, hidden, dropout=0.0, batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.predictor = mlp(feature_width + ACTION_WIDTH, hidden, feature_width)
        self.followed = Follower(encoder, momentum)

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        rows = sequences(seen.batch.items, self.pairs_per_item)
        batch = seen.batch
        features, latents = seen.features[rows].flatten(1, 2), torch.stack([batch.source_latents, batch.target_latents], dim=1)
        latents, active = latents[rows].flatten(1, 2), batch.active[rows[:, 0], None]
        actions = self.factors.relative(latents[:, :-1], latents[:, 1:]) * active
        with torch.no_grad():
            target = seen.whole.rows(by_pairs(self.followed(seen.views)))[rows].flatten(1, 2)[:, -1]
        return {"prediction": negative_cosine(self._predict(features[:, :-1], actions), target)}

    def _predict(self, features: Float[Tensor, "n views F"], actions: Float[Tensor, "n views A"]) -> Float[Tensor, "n F"]:
        """``actions[:, i]`` leads on from view i; the last is the predictor's alone."""
        told = self.of_action(actions.to(features.dtype))
        read = self._read(features, torch.cat([told[:, :-1], torch.zeros_like(told[:, -1:])], dim=1))
        return self.predictor(torch.cat([read, told[:, -1].to(read.dtype)], dim=-1))

    def _read(self, features: Float[Tensor, "n views F"], within: Float[Tensor, "n views W"]) -> Float[Tensor, "n F"]:
        """The aggregate of views and of the actions between them."""
        tokens = self.read_in(torch.cat([features, within], dim=-1))
        aggregate = self.aggregate.to(tokens.dtype).expand(len(tokens), 1, -1)
        return self.transformer(torch.cat([aggregate, tokens], dim=1))[:, 0]

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        return self._read(features[:, None], features.new_zeros(len(features), 1, ACTION_WIDTH))

    def predict(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        return self._predict(features[:, None], actions[:, None])

    def after_step(self, encoder: nn.Module) -> None:
        self.followed.follow(encoder)


def sequences(items: Int[Tensor, " pairs"], pairs_per_item: int) -> Int[Tensor, "sequences length"]:
    """The rows of a batch's pairs, item by item.

    How many pairs a batch has of each item is known beforehand: to count them would wait for the device in every step.

    Raises:
        InputError: where the number of pairs says that the items cannot have as many each.
    """
    if len(items) % pairs_per_item:
        raise InputError(
            f"{len(items)} pairs are not {pairs_per_item} of each item: give seq-jepa whole batches of pairs_per_item={pairs_per_item}"
        )
    return items.argsort(stable=True).unflatten(0, (-1, pairs_per_item))
