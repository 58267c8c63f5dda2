"""Which images are nearest to which, by their embeddings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.errors import InputError

# How many similarities are held at once.
SIMILARITIES = 1 << 25


def cosine_tolerance(width: int) -> float:
    """How far apart two float32 cosines of vectors of ``width`` numbers may be and still be one value: 4 ε √width, ε = 2⁻²³.

    A sum of ``width`` rounded products depends on the order in which a processor's kernel adds them; its error typically grows as the root of
    width (Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1 and 2.6). At 512 numbers this is 1.1e-5, far below the
    difference between two views of a trained model.
    """
    return 4 * torch.finfo(torch.float32).eps * math.sqrt(width)


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
    """The k images nearest to each query by cosine, and the cosines; of images that tie within rounding the first. Fewer than k where there are
    fewer images.

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
        found.append(_first_of_ties(cosines, k, cosine_tolerance(queries.shape[1])))
        first += len(part)
    rows = torch.cat([rows for rows, _ in found]) if found else torch.zeros(0, k, dtype=torch.long)
    return rows, torch.cat([values for _, values in found]) if found else torch.zeros(0, k)


def _first_of_ties(cosines: Tensor, k: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """The k largest of each row; what differs from its neighbour in that order by no more than the tolerance stands in the order of its place."""
    near = cosines.topk(min(k + 1, cosines.shape[1]), dim=1)
    rows, values = near.indices[:, :k].clone(), near.values[:, :k].clone()
    # Few rows, unless the model has collapsed or images are there twice: a stable sort of all would be slow.
    for row in (near.values.diff(dim=1) >= -tolerance).any(dim=1).nonzero()[:, 0].tolist():
        ordered, places = cosines[row].sort(descending=True, stable=True)
        group = (ordered.diff() < -tolerance).cumsum(0)
        group = torch.cat([group.new_zeros(1), group])
        # By group, and within one by place.
        order = places.argsort(stable=True)
        order = order[group[order].argsort(stable=True)][:k]
        rows[row], values[row] = places[order], ordered[order]
    return rows, values
