"""Batches of new random pairs in every epoch, as the published probes are trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.evaluation.view_sets import ViewSet
from contextssl.randomness import seeded_generator


@dataclass(frozen=True)
class FreshPairs:
    """One new random pair of each item in each epoch: of 41,920 items 163 batches of 256 (Gupta et al., 2024, published code).

    Args:
        views: two per item at least; a single view of an item stands at both ends.
        batch_size: pairs per batch. The last partial batch is dropped, unless it is the only one.
    """

    views: ViewSet
    batch_size: int
    seed: int = 0

    def __call__(self, epoch: int) -> Iterator[Int[Tensor, "b 2"]]:
        """Rows of the views: of each pair's source and of its target, two different views of one item."""
        items, each = self.views.num_items, self.views.per_item
        generator = seeded_generator(self.seed, "fresh pairs", epoch)
        first_row = each * torch.randperm(items, generator=generator)
        source = torch.randint(each, (items,), generator=generator)
        step = torch.randint(1, max(2, each), (items,), generator=generator)
        pairs = torch.stack([first_row + source, first_row + (source + step) % each], dim=1)
        size = min(self.batch_size, items)
        yield from pairs[: items - items % size].split(size)

    def check(self) -> None:
        """SettingsError where there is one view of each item, and so no pair."""
        if self.views.per_item < 2:
            raise SettingsError(f"one view of each {self.views.split} item is used, but pairs need two: raise train_views to 2 or more")
