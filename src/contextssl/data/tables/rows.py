"""Rows of a table as items whose views are made by corruption: what is evaluated, and what pairs are drawn of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.blocks import Blocks
from contextssl.data.captions import caption
from contextssl.data.pairs import EVERYTHING, OfViews, PairBatch
from contextssl.data.tables.columns import Columns
from contextssl.data.tables.corruption import Corruption, RowFactor
from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.factors import FactorSpace
from contextssl.randomness import seeded_generator

# Items whose fixed views are drawn together.
BLOCK = 1024
# Of the view that is the row as it stands in the table.
PLAIN = 0


@dataclass(frozen=True, eq=False)
class Labels:
    """A target of each row: its class number, and the classes' names."""

    values: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RowViews:
    """Fixed views of each row: view 0 is the row itself, the others are corrupted, as functions of the seed."""

    rows: Float[Tensor, "N W"]  # encoded
    targets: Mapping[str, Labels]  # by name; the first is the class
    corruption: Corruption
    num_views: int = 10
    seed: int = 0  # of the views; two splits take two seeds
    people: np.ndarray | None = None  # (N,) int64, whose row each is; None where every row is a person's
    _drawn: Blocks = field(default_factory=Blocks, repr=False)

    def __post_init__(self) -> None:
        if self.num_views < 2:
            raise DataError(f"row_views is {self.num_views}: a row needs at least two views, itself and one corruption of it")

    @property
    def columns(self) -> Columns:
        return self.corruption.columns

    @property
    def row_factors(self) -> tuple[RowFactor, ...]:
        return self.corruption.factors

    @property
    def factors(self) -> FactorSpace:
        return self.corruption.space

    @property
    def label(self) -> str:
        """What the class is called."""
        return next(iter(self.targets))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.targets[self.label].names

    @property
    def labels(self) -> np.ndarray:
        return self.targets[self.label].values

    @property
    def num_items(self) -> int:
        return len(self.rows)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def view_shape(self) -> tuple[int, ...]:
        return (len(self.columns),)

    @property
    def plain_view(self) -> int | None:
        return PLAIN

    def gather_views(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n W"]:
        """Chosen views, (n, W) float32: a function of the seed, the item and the view alone."""
        found = torch.empty(len(items), len(self.columns))
        blocks = items // BLOCK
        for block in blocks.unique().tolist():
            chosen = blocks == block
            found[chosen] = self._drawn.get(block, self._draw)[items[chosen] % BLOCK, views[chosen]]
        return found

    def _draw(self, block: int) -> Float[Tensor, "items V W"]:
        rows = self.rows[block * BLOCK : (block + 1) * BLOCK]
        several = rows.repeat_interleave(self.num_views, dim=0)
        drawn = self.corruption.draw(several, seeded_generator(self.seed, "rows", block)).view(len(rows), self.num_views, -1)
        drawn[:, PLAIN] = rows
        return drawn

    def gather_latents(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n A"]:
        return self.corruption.latents(self.gather_views(items, views))

    def redrawn(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"], name: str, generator: torch.Generator) -> Float[Tensor, "n W"]:
        """The views with one factor's value redrawn from those that training rows have, with equal chances; everything else as it is."""
        factor = next(factor for factor in self.row_factors if factor.name == name)
        rows = self.gather_views(items, views)
        there = factor.of(self.corruption.marginals).unique()
        values = there[torch.randint(len(there), (len(rows),), generator=generator)]
        return self.corruption.with_value(rows, factor, values, generator)

    def caption(self, item: int, view: int) -> str:
        index = torch.tensor([item]), torch.tensor([view])
        return caption(self.factors, self.gather_latents(*index)[0].numpy())

    def digest(self) -> str:
        made = self.corruption
        about = f"{self.columns.to_list()} {self.row_factors} {self.num_views} {self.seed}{made.rate} {made.swap_chance}"
        rows = (part.numpy().tobytes() for part in (self.rows, made.marginals))
        targets = (part for name, labels in self.targets.items() for part in (f"{name} {labels.names}", labels.values.tobytes()))
        return digest_of_bytes([about, *rows, *targets])


@dataclass(frozen=True)
class RowPairs(OfViews):
    """Pairs of two corruptions of one row, drawn for every batch; the action says how the factors' values differ."""

    views: RowViews  # the rows and their corruption; also the fixed views that are evaluated

    def draw(
        self, items: Int[Tensor, " n"], generator: torch.Generator, share: slice = EVERYTHING, held: Bool[Tensor, "n A"] | None = None
    ) -> PairBatch:
        corruption = self.views.corruption
        source, target, exact = (drawn[share] for drawn in corruption.draw_pairs(self.views.rows[items], generator, held))
        items = items[share]
        nowhere = torch.full_like(items, -1)
        return PairBatch.between(
            self.factors,
            corruption.latents(source),
            corruption.latents(target),
            source=source,
            target=target,
            items=items,
            labels=torch.from_numpy(self.views.labels[items.numpy()]),
            source_views=nowhere,
            target_views=nowhere,
            exact=exact,
        )

    def complete(self, batch: PairBatch) -> PairBatch:
        return batch

    def captions(self, batch: PairBatch, row: int) -> tuple[str, str]:
        words = self.views.columns.words
        return words(batch.source[row].numpy()), words(batch.target[row].numpy())
