"""Views on a grid of factor values: so many values of each named factor, and one view of every combination.

Views of one item can then share a factor's value exactly, which independent draws never do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from scipy.spatial.transform import Rotation

from contextssl.data.published_latents import ANGLES, OFFSETS, RAW_LATENTS, RAW_RANGES, TRANSLATED_LATENTS
from contextssl.errors import SettingsError, nearest
from contextssl.factors import AZIMUTH, COLOR, FLOOR, LIGHT, ROTATION, SCALE, TRANSLATION, FactorSpace

# What moved views have after the seven raw latents: the object's offset along x, y and z of the world, in lengths of its bounding box's diagonal,
# and the natural logarithm of its relative size. Up to the largest size, 1.1, and at any offset the ball of the bounding box's diagonal stays in
# the picture and above the floor; the smallest is half the largest.
MOVES = ("offset x", "offset y", "offset z", "log size")
MOVE_RANGES = ((-0.2, 0.2), (-0.2, 0.2), (-0.2, 0.2), (math.log(0.55), math.log(1.1)))
# All eleven.
LATENTS_OF_SHAPES = (*RAW_LATENTS, *MOVES)
RANGES_OF_SHAPES = (*RAW_RANGES, *MOVE_RANGES)

# The factors of rendered objects in the order of a store's latents, and which raw latents each of them is. Color is floor and light together.
# A factor's place is part of the seed of its values: a new one comes last.
FACTORS_OF_SHAPES = (ROTATION, COLOR, FLOOR, LIGHT, TRANSLATION, SCALE, AZIMUTH)
RAW_COLUMNS: Mapping[str, tuple[int, ...]] = {
    "rotation": (0, 1, 2),
    "color": (3, 6),
    "floor": (3,),
    "light": (6,),
    "translation": (7, 8, 9),
    "scale": (10,),
    "azimuth": (5,),
}
FEWEST = 2  # values of a factor: with one it does not change


@dataclass(frozen=True)
class ViewGrid:
    """A grid of factor values. The order of its views is row-major: the last factor's value changes from each view to the next.

    Raises:
        SettingsError: for factors, numbers of values or a number of views of which there is no grid.
    """

    counts: Mapping[str, int]  # how many values of each named factor, in any order
    # Of two factors so many combinations, on diagonals of the grid, so that each value of a factor is in equally many, two at least: many values
    # in few views. None: every combination.
    views: int | None = None

    def __post_init__(self) -> None:
        known = [factor.name for factor in FACTORS_OF_SHAPES]
        for name, count in self.counts.items():
            if name not in known:
                raise SettingsError(f"grid names the unknown factor {name!r}: {nearest(name, known)}")
            if count < FEWEST:
                raise SettingsError(f"grid gives {name} {count} values: it must be at least {FEWEST}, or left out of the grid")
        if not self.counts:
            raise SettingsError("grid names no factor: name one or more, such as grid={rotation:7,color:7}, or leave grid out")
        if "color" in self.counts and (hues := [name for name in ("floor", "light") if name in self.counts]):
            raise SettingsError(f"grid names color and {' and '.join(hues)}: color is both hues at once, so name it or them")
        object.__setattr__(self, "counts", {name: int(self.counts[name]) for name in known if name in self.counts})
        if self.views is not None:
            self._check_views(self.views)

    def _check_views(self, views: int) -> None:
        if len(self.counts) != 2:
            raise SettingsError(f"grid_views is for a grid of two factors, not of {', '.join(self.counts)}: say grid_views=null")
        (first, rows), (second, columns) = self.counts.items()
        more, fewer = max(rows, columns), min(rows, columns)
        if more % fewer:
            raise SettingsError(
                f"grid_views needs as many values of {first} as of {second}, or a multiple, so that each is in equally many views: not {rows} and "
                f"{columns}; grid_views=null renders every combination"
            )
        if views % more or not 2 * more <= views <= rows * columns:
            raise SettingsError(
                f"grid_views is {views}: with {rows} values of {first} and {columns} of {second} it must be a multiple of {more} from {2 * more} to "
                f"{rows * columns}, so that each value is in equally many views, two at least; grid_views=null renders every combination"
            )

    @property
    def factors(self) -> FactorSpace:
        """The named factors, in a fixed order."""
        return FactorSpace(tuple(factor for factor in FACTORS_OF_SHAPES if factor.name in self.counts))

    @property
    def num_views(self) -> int:
        return math.prod(self.counts.values()) if self.views is None else self.views

    @property
    def raw_width(self) -> int:
        """R: 11 where translation or scale is named, see ``LATENTS_OF_SHAPES``; else the published 7."""
        return len(LATENTS_OF_SHAPES) if {"translation", "scale"} & set(self.counts) else len(RAW_LATENTS)

    def raw_latents(self, seed: np.random.SeedSequence) -> Float64[np.ndarray, "V R"]:
        """The generating parameters of an item's views, uniform in their ranges: those of named factors on the grid, the others of each view by
        themselves. An object whose translation or scale is not named does not move, or keeps its size.

        A factor's values depend on the seed and on its name: they stay the same with more of them, and with other factors named.
        """
        of_each_view, *of_factors = seed.spawn(1 + len(FACTORS_OF_SHAPES))
        low, high = np.array(RANGES_OF_SHAPES).T
        raw = np.zeros((self.num_views, self.raw_width))
        published = slice(len(RAW_LATENTS))
        raw[:, published] = np.random.default_rng(of_each_view).uniform(low[published], high[published], raw[:, published].shape)
        seed_of = {factor.name: own for factor, own in zip(FACTORS_OF_SHAPES, of_factors, strict=True)}
        for (name, count), place in zip(self.counts.items(), self._places(), strict=True):
            columns = list(RAW_COLUMNS[name])
            values = np.random.default_rng(seed_of[name]).uniform(low[columns], high[columns], (count, len(columns)))
            raw[:, columns] = values[place]
        return raw

    def _places(self) -> tuple[np.ndarray, ...]:
        """Of each factor which of its values every view has."""
        sizes, views = tuple(self.counts.values()), np.arange(self.num_views)
        if self.views is None:
            return np.unravel_index(views, sizes)
        diagonal, more = np.divmod(views, max(sizes))
        fewer = (more + diagonal) % min(sizes)
        return (more, fewer) if sizes[0] >= sizes[1] else (fewer, more)

    def latents(self, raw: Float64[np.ndarray, "*n R"]) -> Float32[np.ndarray, "*n A"]:
        """Values of the named factors from raw latents; equal raw latents give equal bits."""
        blocks = []
        for name in self.counts:
            columns = raw[..., list(RAW_COLUMNS[name])]
            # Computed once per value: where in an array a number stands may decide how its sine is rounded.
            values, where = np.unique(columns.reshape(-1, columns.shape[-1]), axis=0, return_inverse=True)
            if name == "rotation":
                values = Rotation.from_euler("xyz", values).as_quat(canonical=True)
            if name == "azimuth":
                values = np.concatenate([np.cos(values), np.sin(values)], axis=1)
            blocks.append(values[where.reshape(-1)].reshape(*columns.shape[:-1], -1))
        return np.concatenate(blocks, axis=-1).astype(np.float32)


def split_moves(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The published raw latents (V, 7); of (V, 10) and (V, 11) the object's offsets (V, 3) along the axes of the world, which in (V, 10) are along
    its own; and of (V, 11) its sizes (V,). None where there are none.
    """
    published = raw[:, : len(RAW_LATENTS)]
    if raw.shape[-1] == len(TRANSLATED_LATENTS):
        return published, Rotation.from_euler("xyz", raw[:, ANGLES]).apply(raw[:, OFFSETS]), None
    if raw.shape[-1] != len(LATENTS_OF_SHAPES):
        return raw, None, None
    return published, raw[:, list(RAW_COLUMNS["translation"])], np.exp(raw[:, RAW_COLUMNS["scale"][0]])
