"""The views that the explorer shows: rendered, of a run's data, or the user's own images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from contextssl.data.given_images import given_images
from contextssl.data.shapes import ShapesSource
from contextssl.data.shapes.view_grid import RAW_COLUMNS, ViewGrid
from contextssl.data.views import ViewBank, Views
from contextssl.errors import DataError
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import FactorSpace
from contextssl.randomness import derive_seed

# Views of each item on the page.
PER_ITEM = 36
# Values of a factor of rendered views at most; more are too near each other to be told apart.
MOST_VALUES = 12
# Of one the nearest views are shown, so there must be others.
FEWEST = 2


@dataclass(frozen=True, eq=False)
class ShownViews:
    """n views with what is known of them.

    Args:
        images: (n, C, H, W).
        captions: of each view in words.
        items, labels: which item each view is of, and its class.
        factors, latents: the factor values, (n, A); None where there are none to read.
    """

    images: UInt8[Tensor, "n C H W"]
    captions: Sequence[str]
    items: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    class_names: Sequence[str]
    factors: FactorSpace | None = None
    latents: Float[Tensor, "n A"] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def class_of(self, row: int) -> str:
        return self.class_names[int(self.labels[row])]


def views_of_bank(bank: ViewBank, split: str, count: int, seed: int = 0) -> ShownViews:
    """About ``count`` views of items that are spread evenly over a split, :data:`PER_ITEM` of each at most."""
    per_item = min(bank.num_views, PER_ITEM)
    every = ViewSet.choose(bank, split, per_item, 0, seed)
    items = every.spread_items(max(FEWEST, count // per_item))
    rows = torch.isin(every.items, items).nonzero()[:, 0]
    of, views = every.items[rows], every.views[rows]
    known = bank.factors.has_values and bank.factors.width > 0
    return ShownViews(
        images=bank.gather_views(of, views),
        captions=[
            f"{bank.class_names[int(bank.labels[i])]} {bank.caption(i, v)}" for i, v in zip(of.tolist(), views.tolist(), strict=True)
        ],
        items=of,
        labels=every.labels[rows],
        class_names=bank.class_names,
        factors=bank.factors if known else None,
        latents=bank.gather_latents(of, views) if known else None,
    )


def views_of_images(path: Path, view_shape: Sequence[int] | None, count: int) -> ShownViews:
    """At most ``count`` of the user's images, spread evenly over a folder or an archive; the folder of each is its class. Raises DataError where
    fewer than two can be read.
    """
    given = given_images(path, view_shape, unreadable="skip")
    files = list(given.files)
    chosen = [files[place] for place in spread(len(files), count)]
    names: list[str] = []
    images: list[Tensor] = []
    for chunk in replace(given, files=chosen, names=None, count=len(chosen)):
        names += chunk.names
        images.append(chunk.images)
    if len(names) < FEWEST:
        raise DataError(f"of the images in {path} {len(names)} can be read: the explorer needs at least {FEWEST} to show which is nearest")
    folders = [name.rpartition("/")[0] or "images" for name in names]
    classes = [folder for folder, _ in Counter(folders).most_common()]
    return ShownViews(
        images=torch.cat(images),
        captions=names,
        items=torch.arange(len(names)),
        labels=torch.tensor([classes.index(folder) for folder in folders]),
        class_names=classes,
    )


def grid_of(factors: FactorSpace, most: int = PER_ITEM) -> ViewGrid:
    """A grid of these factors with about as many values of each, ``most`` views at most."""
    values = min(MOST_VALUES, max(2, int(most ** (1 / len(factors.names)) + 1e-9)))
    return ViewGrid(dict.fromkeys(factors.names, values))


def rendered_views(
    source: ShapesSource, split: str, items: Sequence[int], grid: ViewGrid, resolution: int, *, shared: bool = False
) -> Views:
    """Views of some items of a split on a grid, whose values are each item's own, or ``shared`` by all items."""

    def drawn(*purpose: str | int) -> np.ndarray:
        return grid.raw_latents(np.random.SeedSequence(derive_seed(source.seed, "explorer", split, *purpose)))

    everywhere, columns = drawn(), [column for name in grid.factors.names for column in RAW_COLUMNS[name]]
    images, raws = [], []
    for item in items:
        raw = drawn(item)
        if shared:
            raw[:, columns] = everywhere[:, columns]
        images.append(source.render(split, item, raw, resolution))
        raws.append(raw)
    raw = np.stack(raws)
    there = source.splits[split]
    return Views(
        images=np.stack(images),
        latents=grid.latents(raw),
        labels=np.array([there[item].label for item in items], np.int64),
        factors=grid.factors,
        class_names=source.class_names,
        item_names=[there[item].name for item in items],
        raw_latents=raw,
    )


def spread(count: int, most: int) -> list[int]:
    """``most`` of so many numbers at most, evenly."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most)).round()})
