"""Many views of each item, as arrays: the one form in which data of this kind reach the pairs."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from contextssl.data.captions import caption
from contextssl.data.item_checks import ItemChecks
from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError, InputError
from contextssl.factors import FactorSpace
from contextssl.system.files import storage_error


@runtime_checkable
class ViewBank(Protocol):
    """Items × views that are the same in every call: stored (:class:`Views`), or made again from stored images
    (:class:`~contextssl.data.augmented.AugmentedViews`) or rows (:class:`~contextssl.data.tables.rows.RowViews`). What is evaluated.
    """

    @property
    def factors(self) -> FactorSpace: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64, the class of each item."""

    @property
    def num_items(self) -> int: ...

    @property
    def num_views(self) -> int: ...

    @property
    def num_classes(self) -> int: ...

    @property
    def view_shape(self) -> tuple[int, ...]:
        """Of one view: (C, H, W), or (W,) of rows of a table and of features."""

    @property
    def plain_view(self) -> int | None:
        """Which view of every item is the item with nothing done to it; None where there is no such view."""

    def gather_views(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Tensor:
        """(n, C, H, W) uint8, or (n, W) float32 of rows and of features."""

    def gather_latents(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n A"]: ...

    def caption(self, item: int, view: int) -> str:
        """A view's factor values in words."""

    def digest(self) -> str:
        """16 hexadecimal digits of everything that determines images, latents and labels."""


@dataclass(frozen=True, eq=False)
class Views:
    """Items × views of images with the factor values of each view. Arrays may be memory-mapped; nothing here is copied or changed.

    Args:
        images: (N, V, H, W, C) uint8, 0 to 255, channels last; or features in their place, (N, V, F) float16 or float32.
        latents: (N, V, A) float32, each view's absolute factor values, side by side in the order of ``factors``.
        labels: (N,) int64, the class of each item, 0 to len(class_names) - 1.
        factors: names and widths of the blocks of ``latents``.
        item_names: one name per item, such as its path in the folder it came from.
        raw_latents: (N, V, R) float64, the generating parameters as they were recorded (for 3DIEBench seven: Euler angles, floor hue, light
            θ and φ, light hue), or None where there are none.
        checks: by which items are compared with their checksums when they are first read; None where they were before, or have none.

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
    checks: ItemChecks | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        shape, dtype = self.images.shape, self.images.dtype
        if (len(shape) != 5 or dtype != np.uint8) and (len(shape) != 3 or dtype not in (np.float16, np.float32)):
            raise DataError(
                f"images must be uint8 of shape (items, views, height, width, channels), or features float of shape (items, views, F), "
                f"not {dtype} {shape}"
            )
        items, views, *_, channels = shape
        if items == 0:
            raise DataError("there is no item in this split: every split needs at least one")
        if channels not in (1, 3) and not self.holds_features:
            raise DataError(f"images have {channels} channels in their last axis: they must be stored channels last, with 1 or 3")
        if self.latents.shape != (items, views, self.factors.width):
            raise DataError(
                f"latents have shape {self.latents.shape}, but {items} items of {views} views with factors "
                f"{', '.join(self.factors.names)} need ({items}, {views}, {self.factors.width})"
            )
        if self.labels.shape != (items,):
            raise DataError(f"labels have shape {self.labels.shape}, but {items} items need one each: ({items},)")
        if len(self.item_names) != items:
            raise DataError(f"{len(self.item_names)} item names for {items} items")
        least, most, classes = int(self.labels.min()), int(self.labels.max()), self.num_classes
        if least < 0 or most >= classes:
            raise DataError(f"label out of range: labels go from {least} to {most}, but there are {classes} classes (0 to {classes - 1})")

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
    def holds_features(self) -> bool:
        """Whether the views are features, and not images."""
        return self.images.ndim == 3

    @property
    def view_shape(self) -> tuple[int, ...]:
        """(C, H, W); (F,) of features."""
        if self.holds_features:
            return (int(self.images.shape[2]),)
        height, width, channels = self.images.shape[2:]
        return channels, height, width

    def gather_views(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"] | Float32[Tensor, "n F"]:
        """Chosen views as (n, C, H, W) uint8 in channels-last memory, features as (n, F) float32: one copy of whole rows, no Python per item but for
        the first read of each.

        NumPy copies here, in one thread that lets the others run: torch's threads gain little on an idle machine (0.7 against 1.4 ms for
        1,024 views of 64 × 64) and on a busy one wait for each other (12 ms). Raises InputError where an index, on the CPU, is out of range;
        DataError where an item is damaged.
        """
        self._refuse_out_of_range(items, views)
        self._refuse_cut_short()
        self.check(items.numpy())
        gathered = torch.from_numpy(np.asarray(self.images)[items.numpy(), views.numpy()])
        return gathered.float() if self.holds_features else gathered.permute(0, 3, 1, 2)

    def _refuse_out_of_range(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> None:
        for what, chosen, count in (("item", items, self.num_items), ("view", views, self.num_views)):
            if len(chosen) and (int(chosen.min()) < 0 or int(chosen.max()) >= count):
                raise InputError(f"{what} indices must be 0 to {count - 1}, not {int(chosen.min())} to {int(chosen.max())}")

    def check(self, items: Int[np.ndarray, " n"]) -> None:
        """Compares items that are about to be read with their checksums. Raises DataError where one is damaged."""
        if self.checks is not None:
            self.checks.check(self.images, items)

    def _refuse_cut_short(self) -> None:
        """Raises DataError where the mapped file has become shorter: reading beyond its end would end the process by a signal, without a message."""
        if mapping := _mapping_of(self.images):
            opened, whole = mapping
            size, needed = opened.size(), whole.offset + whole.nbytes
            if size < needed:
                raise cut_short(str(whole.filename), size, needed)

    def gather_latents(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n A"]:
        return torch.from_numpy(self.latents[items.numpy(), views.numpy()])

    @property
    def plain_view(self) -> int | None:
        return None

    def caption(self, item: int, view: int) -> str:
        return caption(self.factors, self.latents[item, view])

    def digest(self) -> str:
        self.check(np.arange(self.num_items))
        about = f"{self.images.shape} {self.class_names} {self.factors.to_dict()}"
        images = (self.images[item].tobytes() for item in range(self.num_items))
        return digest_of_bytes(chain([about], images, [self.latents.tobytes(), self.labels.tobytes()]))

    def __getstate__(self) -> dict[str, Any]:
        """A pickle names a memory-mapped file rather than holding its bytes, so that views go to worker processes at no cost."""
        state, images = dict(self.__dict__), self.images
        if isinstance(images, np.memmap) and images.mode == "r" and images.flags.c_contiguous and (mapping := _mapping_of(images)):
            whole = mapping[1]
            state["images"] = str(whole.filename), whole.offset + images.ctypes.data - whole.ctypes.data, images.shape, images.dtype
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state["images"], tuple):
            state = {**state, "images": _mapped(*state["images"])}
        self.__dict__.update(state)


def cut_short(path: Path | str, size: int, needed: int) -> DataError:
    """The error for a file of images that was cut short."""
    return DataError(
        f"{path} has {size:,} bytes, not the {needed:,} that it had: it was cut short or replaced while in use; copy it or pack it again"
    )


def _mapping_of(images: np.ndarray) -> tuple[mmap.mmap, np.memmap] | None:
    """The mapping that an array is a window of, and the array that was made of all of it; None of an array in memory."""
    found: Any = images
    while isinstance(found, np.ndarray):
        if isinstance(found, np.memmap) and isinstance(found.base, mmap.mmap):
            return found.base, found
        found = found.base
    return None


def _mapped(path: str, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """Images of a file, mapped again in another process."""
    needed = offset + math.prod(shape) * dtype.itemsize
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise storage_error(error, path, "read", "pack the store again, or copy the whole folder") from error
    if size < needed:
        raise cut_short(path, size, needed)
    return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
