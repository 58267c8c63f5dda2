"""Many views of each item, as arrays: the one form in which data of this kind reach the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from contextssl.errors import DataError
from contextssl.factors import FactorSpace


@dataclass(frozen=True)
class Views:
    """Items × views of images with the factor values of each view. Arrays may be memory-mapped; nothing here is copied or changed.

    Args:
        images: (N, V, H, W, C) uint8, 0 to 255, channels last.
        latents: (N, V, A) float32, each view's absolute factor values, side by side in the order of ``factors``.
        labels: (N,) int64, the class of each item, 0 to len(class_names) - 1.
        factors: names and widths of the blocks of ``latents``.
        class_names: one name a class.
        item_names: one name an item, such as its path in the folder it came from.
        raw_latents: (N, V, R) float64, the generating parameters as they were recorded (for 3DIEBench seven: Euler angles, floor hue, light
            θ and φ, light hue), or None where there are none.

    Raises:
        DataError: where shapes or dtypes do not agree, or a label is out of range.
    """

    images: np.ndarray
    latents: np.ndarray
    labels: np.ndarray
    factors: FactorSpace
    class_names: tuple[str, ...]
    item_names: Sequence[str]
    raw_latents: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 5 or self.images.dtype != np.uint8:
            raise DataError(f"images must be uint8 of shape (items, views, height, width, channels), not {self.images.dtype} {self.images.shape}")
        items, views = self.images.shape[:2]
        if items == 0:
            raise DataError("there is no item in this split: every split needs at least one")
        if self.images.shape[-1] not in (1, 3):
            raise DataError(f"images have {self.images.shape[-1]} channels in their last axis: they must be stored channels last, with 1 or 3")
        if self.latents.shape != (items, views, self.factors.width):
            raise DataError(
                f"latents have shape {self.latents.shape}, but {items} items of {views} views with factors "
                f"{', '.join(self.factors.names)} need ({items}, {views}, {self.factors.width})"
            )
        if self.labels.shape != (items,):
            raise DataError(f"labels have shape {self.labels.shape}, not one a item: ({items},)")
        if len(self.item_names) != items:
            raise DataError(f"{len(self.item_names)} item names for {items} items")
        if int(self.labels.min()) < 0 or int(self.labels.max()) >= len(self.class_names):
            raise DataError(
                f"label out of range: labels go from {int(self.labels.min())} to {int(self.labels.max())}, "
                f"but there are {len(self.class_names)} classes (0 to {len(self.class_names) - 1})"
            )

    @property
    def num_items(self) -> int:
        return int(self.images.shape[0])

    @property
    def num_views(self) -> int:
        return int(self.images.shape[1])

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        height, width, channels = (int(n) for n in self.images.shape[2:])
        return channels, height, width

    def gather_images(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        """Chosen views as (n, C, H, W) uint8 in channels-last memory: one indexing call, no Python per item."""
        return torch.from_numpy(self.images[items.numpy(), views.numpy()]).permute(0, 3, 1, 2)

    def gather_latents(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n A"]:
        """The latents of chosen views, (n, A) float32."""
        return torch.from_numpy(self.latents[items.numpy(), views.numpy()])

    def subset(self, items: slice | np.ndarray) -> Views:
        """The same data restricted to some items."""
        index = np.arange(self.num_items)[items]
        return replace(
            self,
            images=self.images[items],
            latents=self.latents[items],
            labels=self.labels[items],
            item_names=[self.item_names[int(i)] for i in index],
            raw_latents=None if self.raw_latents is None else self.raw_latents[items],
        )
