"""Along how many directions representations vary: what falls where they collapse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.metrics import TIED


def effective_rank(z: Float[Tensor, "n D"]) -> Float[Tensor, ""]:
    """(Σ λ)² / Σ λ² of the eigenvalues λ of the covariance of normalised rows: D where all directions vary alike, 1 where one does, 0 where the rows
    are the same within rounding.

    Source: the participation ratio, as in Recanatesi et al., "Dimensionality compression and expansion in deep neural networks", 2019, equation 2.
    It needs no eigenvalues: their sum is the covariance's trace, the sum of their squares its squared norm.
    """
    unit = F.normalize(z.float(), dim=-1)
    centred = unit - unit.mean(dim=0)
    with torch.autocast(z.device.type, enabled=False):
        # The smaller of the two matrices that have these eigenvalues.
        gram = centred @ centred.T if len(z) < z.shape[1] else centred.T @ centred
    total = gram.diagonal().sum()
    varies = total > len(z) * TIED
    return torch.where(varies, total.square() / gram.square().sum().clamp(min=torch.finfo(torch.float32).tiny), 0.0)
