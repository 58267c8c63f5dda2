"""The predictor of contexts by example: a token for each pair reads both of its views, and queries attend to those tokens alone.

A pair says that its two views count as the same. What it says lies in how the views differ, so one token has to see both: in the paper's predictor
none does, and dealing the targets to other pairs changes nothing there. A pair is three tokens here:

    relation   W [f(x); f(x⁺); |f(x) - f(x⁺)|]     read by everyone after it: the context
    source     V f(x)                              a query
    target     V f(x⁺)                             a query

A query sees the relations of earlier pairs and itself: never its own pair, which would make the two views' embeddings equal by copying. There are
no positions, and no action.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from contextssl.models.predictor import Predictor


class ExamplePredictor(Predictor):
    """Arguments as of :class:`~contextssl.models.predictor.Predictor`, with ``action_width`` 0. ``block_size`` still counts two tokens per pair."""

    tokens_per_pair = 3
    predicted = slice(1, 3)
    held = slice(0, 1)

    read_pair: nn.Linear

    def _read_pairs(self, width: int) -> None:
        self.read_pair = nn.Linear(3 * self.feature_width, width)

    def embedded(
        self, features: Float[Tensor, "*batch pairs 2 F"], actions: Float[Tensor, "*batch pairs A"]
    ) -> Float[Tensor, "*batch tokens width"]:
        relation = self.relation(features, actions)
        return torch.cat([relation[..., None, :], self.read_in(features)], dim=-2).flatten(-3, -2)

    def relation(
        self, features: Float[Tensor, "*batch pairs 2 F"], actions: Float[Tensor, "*batch pairs A"]
    ) -> Float[Tensor, "*batch pairs width"]:
        """What each pair shows."""
        source, target = features.unbind(-2)
        return self.read_pair(torch.cat([source, target, (source - target).abs()], dim=-1))

    def allowed(self, pairs: int, device: torch.device | str | None = None) -> Bool[Tensor, "tokens tokens"]:
        """Everyone sees the relations of earlier pairs, and oneself."""
        index = torch.arange(self.tokens_per_pair * pairs, device=device)
        pair, place = index // self.tokens_per_pair, index % self.tokens_per_pair
        return ((pair[:, None] > pair[None, :]) & (place == 0)[None, :]) | (index[:, None] == index[None, :])

    def query_token(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n width"]:
        return self.read_in(features)
