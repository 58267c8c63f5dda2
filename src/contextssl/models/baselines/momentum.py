"""An exponential moving average of a network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from contextssl.config.settings import MethodSettings

# Default of ema_momentum, of BYOL and of seq-JEPA.
EMA_MOMENTUM = 0.996


class MovingAverage(nn.Module):
    """An exponential moving average of a network's weights. It starts as a copy, and no gradient reaches it. ``momentum`` is the share of the old
    weights that stays at the first :meth:`update`; it rises to 1 along a cosine (Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, 3.2).
    """

    def __init__(self, network: nn.Module, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(momentum))
        # The first update of AveragedModel copies; the copy is made already.
        self.average.n_averaged.fill_(1)
        self.average.requires_grad_(False)

    @property
    def network(self) -> nn.Module:
        """The copy."""
        return self.average.module

    @torch.no_grad()
    def update(self, network: nn.Module, progress: float = 0.0) -> None:
        """``progress``: the share of training that is done, 0 to 1."""
        kept = 1 - (1 - self.momentum) * (math.cos(math.pi * progress) + 1) / 2
        self.average.multi_avg_fn = get_ema_multi_avg_fn(kept)
        self.average.update_parameters(network)

    def forward(self, views: Tensor) -> Tensor:
        return self.average(views)


def momentum_of(settings: MethodSettings) -> float:
    """The share of the old weights that the average keeps at the first step."""
    return EMA_MOMENTUM if settings.ema_momentum is None else settings.ema_momentum
