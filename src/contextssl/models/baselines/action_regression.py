"""AugSelf's term: the action is regressed from the features of both views."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from contextssl.factors import FactorSpace
from contextssl.models.baselines.heads import projector
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.objectives import factor_errors


class ActionRegression(Term):
    """Squared error of the action, regressed from both features side by side: the mean over each active factor's numbers, summed over factors.

    Source: Lee et al., "Improving Transferability of Representations via Augmentation-Aware Self-Supervision" (AugSelf), NeurIPS 2021.
    """

    def __init__(self, feature_width: int, factors: FactorSpace, hidden: int, weight: float) -> None:
        super().__init__()
        # Its heads have this form too: two hidden layers with batch normalisation.
        self.head, self.weight = projector(2 * feature_width, hidden, factors.width), weight
        self.factors = factors

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        error = (self.head(seen.features.flatten(1, 2)).float() - seen.batch.action).square()
        return {"action": self.weight * factor_errors(error, seen.batch.active, self.factors.slices)}
