"""What distances see: read-outs by the nearest neighbours of the training split."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# How many similarities are held at once.
SIMILARITIES = 1 << 25


def knn_means(
    bank: Float[Tensor, "b d"], bank_targets: Float[Tensor, "b t"], queries: Float[Tensor, "n d"], k: int = 20
) -> Float[Tensor, "n t"]:
    """For each query the plain mean of the targets of its k nearest in the bank by cosine, in float32.

    Args:
        bank, queries: not necessarily normalised.
        bank_targets: numbers, or classes as one-hot rows.
        k: the whole bank, where it is smaller.
    """
    bank, queries = F.normalize(bank.float(), dim=-1), F.normalize(queries.float(), dim=-1)
    k = min(k, len(bank))
    step = max(1, SIMILARITIES // len(bank))
    return torch.cat([bank_targets[(part @ bank.T).topk(k, dim=1, sorted=False).indices].mean(dim=1) for part in queries.split(step)])
