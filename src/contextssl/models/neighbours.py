"""Which images are nearest to which, by their embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.errors import InputError

# How many similarities are held at once, and of how many queries; how many numbers of images.
SIMILARITIES, QUERIES, NUMBERS = 1 << 25, 1 << 12, 1 << 23


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

    Images are read a part at a time, so that those of a memory map may be more than the memory holds. All are compared: an index of approximate
    neighbours would be faster, and sometimes wrong.

    Args:
        same: whether queries and images are the same, row by row; none is then a neighbour of itself.

    Raises:
        InputError: for k below 1, or no image to be a neighbour.
    """
    there = len(images) - same
    if k < 1 or there < 1:
        raise InputError(f"k is {k}, of {max(there, 0)} images: ask for at least one neighbour, and give images to choose from")
    k = min(k, there)
    nothing = torch.zeros(0, k, dtype=torch.long, device=queries.device), torch.zeros(0, k, device=queries.device)
    found, first = [nothing], 0
    for part in F.normalize(queries.float(), dim=-1).split(QUERIES):
        found.append(_nearest_of_some(part, images, k, first if same else None))
        first += len(part)
    return torch.cat([rows for rows, _ in found]), torch.cat([values for _, values in found])


def _nearest_of_some(queries: Tensor, images: Tensor, k: int, first: int | None) -> tuple[Tensor, Tensor]:
    """``first``: the place of the first query among the images, where queries are images."""
    rows, values = torch.zeros(len(queries), 0, dtype=torch.long, device=queries.device), queries.new_zeros(len(queries), 0)
    for start, cosines in _cosines(queries, images, first):
        near = cosines.topk(min(k + 1, cosines.shape[1]), dim=1)
        both = torch.cat([values, near.values], dim=1)
        kept = both.topk(min(k + 1, both.shape[1]), dim=1)
        rows, values = torch.cat([rows, near.indices + start], dim=1).gather(1, kept.indices), kept.values
    tolerance = cosine_tolerance(queries.shape[1])
    # Few queries, unless the model has collapsed or images are there twice.
    tied = (values.diff(dim=1) >= -tolerance).any(dim=1).nonzero()[:, 0]
    rows, values = rows[:, :k].clone(), values[:, :k].clone()
    for some in tied.split(max(1, SIMILARITIES // len(images))) if len(tied) else ():
        own = None if first is None else first + some
        everything = torch.cat([cosines for _, cosines in _cosines(queries[some], images, own)], dim=1)
        for row, cosines in zip(some.tolist(), everything, strict=True):
            rows[row], values[row] = _first_of_ties(cosines, k, tolerance)
    return rows, values


def _cosines(queries: Tensor, images: Tensor, own: int | Tensor | None) -> Iterator[tuple[int, Tensor]]:
    """Of all queries with a part of the images, and where it starts; −∞ with the image that is the query itself."""
    if own is not None and not isinstance(own, Tensor):
        own = own + torch.arange(len(queries), device=queries.device)
    start = 0
    for part in images.split(max(1, min(SIMILARITIES // max(1, len(queries)), NUMBERS // max(1, images.shape[1])))):
        cosines = queries @ F.normalize(part.to(queries.device).float(), dim=-1).T
        if own is not None:
            within = ((own >= start) & (own < start + len(part))).nonzero()[:, 0]
            cosines[within, own[within] - start] = -torch.inf
        yield start, cosines
        start += len(part)


def _first_of_ties(cosines: Tensor, k: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """The k largest; what differs from its neighbour in that order by no more than the tolerance stands in the order of its place."""
    ordered, places = cosines.sort(descending=True, stable=True)
    group = (ordered.diff() < -tolerance).cumsum(0)
    group = torch.cat([group.new_zeros(1), group])
    # By group, and within one by place.
    order = places.argsort(stable=True)
    order = order[group[order].argsort(stable=True)][:k]
    return places[order], ordered[order]
