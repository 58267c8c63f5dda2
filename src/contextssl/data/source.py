"""Where the views of items come from before they are packed: a folder of files, a renderer, or a user's own class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from contextssl.factors import FactorSpace


@dataclass(frozen=True)
class Item:
    """One item of a split: its name (unique over all splits; also its path in the published folder layout) and its class number."""

    name: str
    label: int


@runtime_checkable
class ItemSource(Protocol):
    """Anything that can be packed into a store or written out as a folder. It is pickled to worker processes, so it holds no open files.

    ``read`` is called once per item, in any order and in any process, and must give the same pixels each time.

    One whose items lie in files has ``origins`` too, a number for each item (N,) uint64 in the order of ``splits``, which changes when its files
    do (:mod:`contextssl.data.origins`), with a digest of them as ``description["files"]``. Then what was packed before a file was fixed is
    kept, and what changed is read again.
    """

    @property
    def factors(self) -> FactorSpace: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def splits(self) -> Mapping[str, Sequence[Item]]:
        """The items of each split, such as ``{"train": [...], "val": [...]}``."""

    @property
    def num_views(self) -> int: ...

    @property
    def channels(self) -> int: ...

    @property
    def raw_width(self) -> int:
        """R: how many generating parameters a view has."""

    @property
    def description(self) -> dict[str, Any]:
        """Plain values that determine every pixel (kind, seed, counts, folder, …): a store that was begun with others is not continued."""

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """All views of one item: images (V, H, W, C) uint8 at resolution × resolution, and raw latents (V, R) float64. Raises DataError naming
        the file that is missing, damaged or out of range.
        """

    def latents(self, raw: np.ndarray) -> np.ndarray:
        """Absolute factor values (..., A) float32 from raw latents (..., R)."""


class SingleViewSource:
    """What sources of plain images share: one view per item and no factors, since what changes between two views of an image is drawn when
    they are made. The raw latents of a view are the height and width of its file in pixels.
    """

    num_views = 1
    raw_width = 2
    factors = FactorSpace(())

    def latents(self, raw: Float[np.ndarray, "*n 2"]) -> Float32[np.ndarray, "*n 0"]:
        """Absolute factor values (..., 0) float32: none."""
        return np.zeros((*raw.shape[:-1], 0), np.float32)
