"""The target is to be found from the source and the action: a predictor in a projector's space, matched by contrast."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.models.baselines.heads import ActionPredictor
from contextssl.models.baselines.term import Projected, Seen
from contextssl.models.contrast import nt_xent


class PredictedContrast(Projected):
    """NT-Xent between the prediction of (projected source, action) and the projected target.

    Alone it is SEN (Park et al., "Learning symmetric embeddings for equivariant world models", ICML 2022), with an invariance term in a
    projector of its own EquiMod (Devillers & Lefort, ICLR 2023). Other views of the same item are negatives: the action says which is meant.
    """

    def __init__(self, feature_width: int, action_width: int, hidden: int, width: int, temperature: float, weight: float = 1.0) -> None:
        super().__init__(feature_width, hidden, width)
        self.predictor = ActionPredictor(width, action_width, hidden)
        self.temperature, self.weight = temperature, weight

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        source, target = self.projections(seen).unbind(1)
        predicted = self.predictor(source, seen.batch.active_action)
        return {"equivariance": self.weight * nt_xent(torch.stack([predicted, target], dim=1), self.temperature, whole=seen.whole)}

    def predict(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        return self.predictor(self.projector(features), actions)
