"""Views that are held on the device: a batch is drawn by numbers, and its pixels are gathered there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from contextssl.data.pairs import PairBatch, PairSource, ViewPairs
from contextssl.data.views import Views
from contextssl.errors import SettingsError

# Of a GPU's free memory, before the training has taken any; the rest is the training's.
SHARE_OF_MEMORY = 0.4
# Items that are copied at once.
ITEMS = 1024


@dataclass(frozen=True)
class NumberedPairs(ViewPairs):
    """Pairs without their pixels, (n, 0): which item and which views of it is enough."""

    def pixels(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> UInt8[Tensor, "n 0"]:
        return torch.empty(len(items), 0, dtype=torch.uint8)


class ResidentViews:
    """All views of a split on a device, (N, V, H, W, C) uint8. Raises DataError where an item is damaged."""

    def __init__(self, views: Views, device: torch.device) -> None:
        self.images = torch.empty(views.images.shape, dtype=torch.uint8, device=device)
        for start in range(0, views.num_items, ITEMS):
            stop = min(start + ITEMS, views.num_items)
            views.check(np.arange(start, stop))
            self.images[start:stop].copy_(torch.from_numpy(np.array(views.images[start:stop])))

    def fill(self, batch: PairBatch) -> PairBatch:
        """The batch, which is on the device, with its pixels."""
        source, target = (self.gather(batch.items, views) for views in (batch.source_views, batch.target_views))
        return batch.with_views(source, target)

    def gather(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        """Chosen views, in channels-last memory."""
        return self.images[items, views].permute(0, 3, 1, 2)


def resident_views(source: PairSource, device: torch.device, wanted: bool | None) -> ResidentViews | None:
    """The views of a source on a device, or None.

    Args:
        wanted: None: on a GPU of whose free memory they take at most 40 %.

    Raises:
        SettingsError: where they are wanted, and are no stored images.
        DataError: where an item is damaged.
    """
    # A subclass may make its views otherwise.
    stored = type(source) is ViewPairs and not source.views.holds_features
    if wanted and not stored:
        raise SettingsError("keep_on_device=true is for stored images of many views: leave it out of other data")
    if wanted is False or not isinstance(source, ViewPairs) or not stored:
        return None
    if wanted is None:
        if device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(device)
        if source.views.images.nbytes > SHARE_OF_MEMORY * free:
            return None
    return ResidentViews(source.views, device)
