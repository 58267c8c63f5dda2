"""New views of rendered objects, while the sliders of the query move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contextssl.data.captions import caption
from contextssl.data.shapes import ShapesSource
from contextssl.data.shapes.view_grid import LATENTS_OF_SHAPES, RANGES_OF_SHAPES, RAW_COLUMNS, ViewGrid
from contextssl.errors import InputError


@dataclass(frozen=True)
class Slider:
    """One number of a view that can be changed: its factor, its name, its place among the raw latents, and its range."""

    factor: str
    name: str
    column: int
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class NewView:
    """An image (C, H, W) with its factor values (A,) and those in words."""

    image: UInt8[Tensor, "C H W"]
    latents: Float[Tensor, " A"]
    caption: str


@dataclass(frozen=True, eq=False)
class Scenes:
    """The objects of the shown views, ready to be rendered again.

    Args:
        items: of each shown view the item of the ``split`` of the ``source``.
        raw: of each shown view its raw latents, (n, R).
    """

    source: ShapesSource
    split: str
    items: Sequence[int]
    raw: np.ndarray
    grid: ViewGrid
    resolution: int

    @property
    def sliders(self) -> list[Slider]:
        """The numbers of the model's factors, in their order."""
        columns = [(name, column) for name in self.grid.factors.names for column in RAW_COLUMNS[name]]
        return [Slider(name, LATENTS_OF_SHAPES[column], column, *RANGES_OF_SHAPES[column]) for name, column in columns]

    def values(self, row: int) -> list[float]:
        """Where the sliders stand for a shown view."""
        return [float(self.raw[row, slider.column]) for slider in self.sliders]

    def render(self, row: int, values: Sequence[float]) -> NewView:
        """The object of a shown view where the sliders stand; all else is that view's. Raises InputError for values of another number or beyond
        the sliders' ranges.
        """
        sliders = self.sliders
        if len(values) != len(sliders):
            raise InputError(f"there are {len(values)} values for {len(sliders)} sliders: give one each")
        raw = self.raw[row].copy()
        for slider, value in zip(sliders, values, strict=True):
            if not slider.low - 1e-6 <= value <= slider.high + 1e-6:
                raise InputError(f"{slider.name} is {value}: it goes from {slider.low:g} to {slider.high:g}")
            raw[slider.column] = value
        image = self.source.render(self.split, self.items[row], raw[None], self.resolution)[0]
        latents = self.grid.latents(raw)
        return NewView(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(latents), caption(self.grid.factors, latents))
