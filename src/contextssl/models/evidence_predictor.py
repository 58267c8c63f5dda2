"""The predictor of contexts by evidence: actions in every block, of which the views bear out those of the active factors alone.

For views that change in every factor at once, as 3DIEBench's do. An inactive block holds a decoy, the action to a third view of the same item, so
neither an action nor (source, action) tells which factors are active; only the target does. A pair's token therefore reads source, action, target,
and how far the action is from the one that the two views seem to show:

    r = |(g(f(x)) → g(f(x⁺))) - a|                     g reads latents from features; → is the action between them
    relation   MLP [f(x); a; f(x⁺); r]                 read by everyone after it: the context
    source     V [f(x); a]                             a query: a prediction
    target     V [f(x⁺); 0]                            a query: an embedding

Queries attend as in :mod:`~contextssl.models.example_predictor`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.factors import FactorSpace
from contextssl.models.example_predictor import ExamplePredictor


class EvidencePredictor(ExamplePredictor):
    """Arguments as of :class:`~contextssl.models.predictor.Predictor`. The owner sets ``factors`` before the first use."""

    factors: FactorSpace
    read_pair: nn.Sequential  # type: ignore[assignment]

    def _read_pairs(self, width: int) -> None:
        self.latents = nn.Linear(self.feature_width, self.action_width)
        self.read_pair = nn.Sequential(nn.Linear(2 * self.feature_width + 2 * self.action_width, width), nn.GELU(), nn.Linear(width, width))

    def _initialise(self, init: str) -> None:
        super()._initialise(init)
        if init == "fan_in":
            # Features and actions each by their own width, as in the read-in.
            first: nn.Linear = self.read_pair[0]  # type: ignore[assignment]
            nn.init.normal_(first.weight[:, : 2 * self.feature_width], std=(2 * self.feature_width) ** -0.5)
            nn.init.normal_(first.weight[:, 2 * self.feature_width :], std=(2 * self.action_width) ** -0.5)

    def embedded(
        self, features: Float[Tensor, "*batch pairs 2 F"], actions: Float[Tensor, "*batch pairs A"]
    ) -> Float[Tensor, "*batch tokens width"]:
        queries = self.read_in(self.tokens(features, actions)).unflatten(-2, (-1, 2))
        return torch.cat([self.relation(features, actions)[..., None, :], queries], dim=-2).flatten(-3, -2)

    def relation(
        self, features: Float[Tensor, "*batch pairs 2 F"], actions: Float[Tensor, "*batch pairs A"]
    ) -> Float[Tensor, "*batch pairs width"]:
        actions = actions.to(features.dtype)
        source, target = features.unbind(-2)
        seen = self.factors.relative(self.latents(source), self.latents(target))
        return self.read_pair(torch.cat([source, target, actions, (seen - actions).abs()], dim=-1))

    def query_token(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n width"]:
        return self.read_in(torch.cat([features, actions.to(features.dtype)], dim=-1))
