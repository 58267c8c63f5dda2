"""Labels in place of self-supervision: the class, or the latents themselves. What can be reached with all labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.factors import FactorSpace
from contextssl.models.baselines.heads import mlp
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.objectives import factor_errors


class ClassSupervision(Term):
    """Cross-entropy of a linear classifier on both views' features."""

    def __init__(self, feature_width: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(feature_width, classes)

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        labels = seen.batch.labels.repeat_interleave(2)
        return {"class": F.cross_entropy(self.classifier(seen.features.flatten(0, 1)).float(), labels)}


class LatentSupervision(Term):
    """Squared error of both views' latents, regressed from the features of each: the mean of each factor's numbers, summed over factors."""

    def __init__(self, feature_width: int, factors: FactorSpace, hidden: int) -> None:
        super().__init__()
        self.head = mlp(feature_width, hidden, factors.width)
        self.factors = factors

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        found = self.head(seen.features.flatten(0, 1)).unflatten(0, (-1, 2)).float()
        error = (found - seen.batch.latents).square().mean(dim=1)
        return {"latents": factor_errors(error, torch.ones_like(error, dtype=torch.bool), self.factors.slices)}
