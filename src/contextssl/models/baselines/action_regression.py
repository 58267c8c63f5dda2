"""AugSelf's term: the action is regressed from the features of both views."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from contextssl.models.baselines.heads import mlp
from contextssl.models.baselines.term import Seen, Term


class ActionRegression(Term):
    """Squared error of the told action, regressed from both features side by side.

    Source: Lee et al., "Improving Transferability of Representations via Augmentation-Aware Self-Supervision" (AugSelf), NeurIPS 2021.
    """

    def __init__(self, feature_width: int, action_width: int, hidden: int, weight: float) -> None:
        super().__init__()
        self.head, self.weight = mlp(2 * feature_width, hidden, action_width), weight

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        error = (self.head(seen.features.flatten(1, 2)).float() - seen.batch.action).square() * seen.batch.active
        return {"action": self.weight * error.sum() / seen.batch.active.sum().clamp(min=1)}
