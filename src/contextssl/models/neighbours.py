"""Which images are nearest to which, by their embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.errors import InputError

# How many similarities are held at once.
SIMILARITIES = 1 << 25


@dataclass(frozen=True)
class Neighbours:
    """Of each query its nearest images, the nearest first.

    Args:
        rows: (n, k) their places among the images.
        similarities: (n, k) cosines of the embeddings, float32.
        queries, images: names; numbers, counted from 0, where they have none.
    """

    rows: Int[Tensor, "n k"]
    similarities: Float[Tensor, "n k"]
    queries: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def names(self) -> list[list[str]]:
        """Of each query the names of its neighbours."""
        return [[self.images[row] for row in rows] for rows in self.rows.tolist()]


def nearest(
    queries: Float[Tensor, "n d"], images: Float[Tensor, "m d"], k: int, *, same: bool = False
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k images nearest to each query by cosine, and the cosines; of images that tie the first. Fewer than k where there are fewer images.

    Args:
        same: whether queries and images are the same, row by row; none is then a neighbour of itself.

    Raises:
        InputError: for k below 1, or no image to be a neighbour.
    """
    there = len(images) - same
    if k < 1 or there < 1:
        raise InputError(f"k is {k}, of {max(there, 0)} images: ask for at least one neighbour, and give images to choose from")
    k = min(k, there)
    queries, images = F.normalize(queries.float(), dim=-1), F.normalize(images.float(), dim=-1)
    found, first = [], 0
    for part in queries.split(max(1, SIMILARITIES // len(images))):
        cosines = part @ images.T
        if same:
            own = torch.arange(len(part), device=part.device)
            cosines[own, first + own] = -torch.inf
        # A stable sort of all would be slow; those that tie within rounding have no order of their own.
        found.append(cosines.topk(k, dim=1))
        first += len(part)
    rows = torch.cat([each.indices for each in found]) if found else torch.zeros(0, k, dtype=torch.long)
    return rows, torch.cat([each.values for each in found]) if found else torch.zeros(0, k)
