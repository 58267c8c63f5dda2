"""Small networks that methods put on features: projectors, and predictors that take an action."""

from __future__ import annotations

from itertools import chain, pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


def projector(width: int, hidden: int, out: int) -> nn.Sequential:
    """Two hidden layers, of VICReg and SIE in this form: (n, width) → (n, out)."""
    return mlp(width, hidden, hidden, out)


def mlp(*widths: int) -> nn.Sequential:
    """Hidden layers with batch normalisation and ReLU, then a linear map: (n, first width) → (n, last width)."""
    hidden = ((nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()) for a, b in pairwise(widths[:-1]))
    return nn.Sequential(*chain(*hidden), nn.Linear(widths[-2], widths[-1]))


class ActionPredictor(nn.Module):
    """(z, a) → what the action makes of z, by an MLP on both side by side."""

    def __init__(self, width: int, action_width: int, hidden: int) -> None:
        super().__init__()
        self.mlp = mlp(width + action_width, hidden, width)

    def forward(self, z: Float[Tensor, "n D"], action: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        return self.mlp(torch.cat([z, action.to(z.dtype)], dim=-1))


class HypernetworkPredictor(nn.Module):
    """(z, a) → W(a) z + b(a), a linear map whose weights a linear hypernetwork makes of the action.

    Source: Garrido et al., "Self-supervised learning of split invariant equivariant representations", ICML 2023, section 4.2: the map cannot
    ignore the action, as an MLP on both may. At the start it is near the identity for every action.
    """

    def __init__(self, width: int, action_width: int) -> None:
        super().__init__()
        self.width = width
        self.hypernetwork = nn.Linear(action_width, width * width + width)
        nn.init.normal_(self.hypernetwork.weight, std=(width * action_width) ** -0.5)
        with torch.no_grad():
            self.hypernetwork.bias.copy_(torch.cat([torch.eye(width).flatten(), torch.zeros(width)]))

    def forward(self, z: Float[Tensor, "n D"], action: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        made = self.hypernetwork(action.to(self.hypernetwork.weight.dtype))
        weight, bias = made.split([self.width * self.width, self.width], dim=-1)
        return torch.bmm(weight.unflatten(-1, (self.width, self.width)), z[..., None].to(weight.dtype))[..., 0] + bias
