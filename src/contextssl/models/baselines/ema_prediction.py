"""BYOL: one view predicts the other's projection by an exponential moving average of the network; there are no negatives."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.models.baselines.heads import mlp
from contextssl.models.baselines.momentum import MovingAverage
from contextssl.models.baselines.term import Projected, Seen
from contextssl.models.objectives import negative_cosine
from contextssl.models.view_encoder import by_pairs


class Bootstrap(Projected):
    """Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, equation 2, both ways."""

    def __init__(self, encoder: nn.Module, feature_width: int, hidden: int, width: int, momentum: float) -> None:
        super().__init__(feature_width, hidden, width)
        self.predictor = mlp(width, hidden, width)
        # The attribute's name is in checkpoints.
        self.followed = MovingAverage(nn.Sequential(encoder, self.projector), momentum)

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        predicted = self.predictor(self.projections(seen).flatten(0, 1)).unflatten(0, (-1, 2))
        network = self.followed.network
        assert isinstance(network, nn.Sequential)
        encoder, projector = network
        with torch.no_grad():
            target = projector(seen.whole.rows(by_pairs(encoder(seen.views))).flatten(0, 1)).unflatten(0, (-1, 2))
        return {"invariance": (negative_cosine(predicted[:, 0], target[:, 1]) + negative_cosine(predicted[:, 1], target[:, 0])) / 2}

    def after_step(self, encoder: nn.Module, progress: float) -> None:
        self.followed.update(nn.Sequential(encoder, self.projector), progress)
