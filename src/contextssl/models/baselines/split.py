"""SIE: one half of the features is to be invariant to the action, the other equivariant."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.models.baselines.heads import HypernetworkPredictor, projector
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.objectives import sie


class SplitInvariantEquivariant(Term):
    """Invariance of one half, a linear map made of the action on the other, VICReg's regularisers on both together.

    Source: Garrido et al., "Self-supervised learning of split invariant equivariant representations", ICML 2023, section 4. The first half of
    the features and of the embedding is the invariant one. ``coefficients`` are of invariance, variance and covariance; ``equivariance_weight``
    multiplies the first, and the product is the weight of the equivariance term (0.45 or 4.5 there).
    """

    def __init__(
        self,
        feature_width: int,
        action_width: int,
        hidden: int,
        width: int,
        coefficients: tuple[float, float, float],
        equivariance_weight: float,
    ) -> None:
        super().__init__()
        if feature_width % 2 or width % 2:
            raise SettingsError(f"sie splits features ({feature_width}) and projection_dim ({width}) in halves: both must be even")
        self.half_width, self.embedding_width = feature_width // 2, width
        self.invariant = projector(self.half_width, hidden, width // 2)
        self.equivariant = projector(self.half_width, hidden, width // 2)
        self.predictor = HypernetworkPredictor(width // 2, action_width)
        self.coefficients, self.equivariance_weight = coefficients, equivariance_weight

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        joined = self.embed(seen.features.flatten(0, 1)).unflatten(0, (-1, 2))
        still, moving = joined.chunk(2, dim=-1)
        predicted = self.predictor(moving[:, 0], seen.batch.active_action)
        return sie(still, moving, predicted, self.coefficients, self.equivariance_weight)

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        still, moving = features.split(self.half_width, dim=-1)
        return torch.cat([self.invariant(still), self.equivariant(moving)], dim=-1)

    def predict(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        still, moving = self.embed(features).chunk(2, dim=-1)
        return torch.cat([still, self.predictor(moving, actions).to(still.dtype)], dim=-1)
