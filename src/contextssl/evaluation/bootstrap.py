"""The error of a number over the choice of evaluated items: the bootstrap over items (Efron & Tibshirani, 1993), without any refit.

Most numbers here are functions of sums over the evaluated rows: a mean rank, an R², an accuracy, a gap between rates. So each item (an object, an
image, a person) is kept by what all its rows add to those sums, and drawing items anew only counts each more or less often: one product of a
matrix of counts with one of sums. (``scipy.stats.bootstrap`` would gather the data anew for every draw.) Heads, neighbours and contexts stay fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt16
from torch import Tensor

# Draws of the evaluated items. The error itself is known to 1 / √(2 × draws), 4 per cent.
DRAWS = 400
# Counts times sums that are held at once.
HELD = 1 << 22
# With fewer defined draws than this share, no error is given.
DEFINED = 0.5


@dataclass(frozen=True, eq=False)
class Resampled:
    """A number in each draw of so many evaluated items.

    Draws are the same for every number of as many items, so that means of numbers, and their differences, can be taken draw by draw.
    """

    values: Float[np.ndarray, " draws"]
    items: int


@lru_cache(maxsize=4)
def item_counts(items: int, draws: int = DRAWS) -> UInt16[np.ndarray, "draws items"]:
    """How often each item is in each draw of so many items with replacement: a function of the two numbers alone."""
    generator = np.random.default_rng([items, draws])
    counts = np.empty((draws, items), np.uint16)
    for draw in range(draws):
        counts[draw] = np.bincount(generator.integers(items, size=items), minlength=items)
    return counts


def of_items(rows: Float[Tensor, "n k"], items: Int[Tensor, " n"]) -> Float[np.ndarray, "N k"]:
    """What each item adds to the sums: its rows' numbers added up, in double precision."""
    names, places = torch.unique(items, return_inverse=True)
    return torch.zeros(len(names), rows.shape[1], dtype=torch.float64).index_add_(0, places, rows.detach().cpu().double()).numpy()


def resample(sums: Float[np.ndarray, "N k"], number: Callable[[np.ndarray], np.ndarray]) -> Resampled | None:
    """A number of what items add to k sums, (draws, k) → (draws,), over draws of the items; None for one item, which has only one draw."""
    return resample_counts(len(sums), lambda counts: number(counts @ sums))


def resample_counts(items: int, number: Callable[[np.ndarray], np.ndarray]) -> Resampled | None:
    """As :func:`resample`, of a number of how often each item is there, (draws, items) float64 → (draws,)."""
    if items < 2:
        return None
    counts = item_counts(items)
    step = max(1, HELD // items)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [number(counts[start : start + step].astype(np.float64)) for start in range(0, len(counts), step)]
    return Resampled(np.concatenate(values), items)


def error_of(several: Sequence[Resampled]) -> float | None:
    """The standard error of the mean of numbers measured on the same items (in several contexts): of the means draw by draw; None where there
    are no draws, or where the number is undefined in most of them.
    """
    if not several or len({each.items for each in several}) > 1:
        return None
    values = np.mean([each.values for each in several], axis=0)
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > DEFINED * len(values) else None
