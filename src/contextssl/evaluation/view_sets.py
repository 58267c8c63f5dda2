"""The views of a split that an evaluation uses: fixed by a seed, the same number per item, no item left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.views import ViewBank
from contextssl.errors import SettingsError
from contextssl.factors import FactorSpace
from contextssl.randomness import seeded_generator


@dataclass(frozen=True, eq=False)
class ViewSet:
    """Chosen views of a split's ``source``, item by item: row r is view ``views[r]`` of item ``items[r]``, and an item's ``per_item`` rows stand
    together.
    """

    split: str
    source: ViewBank
    items: Int[Tensor, " n"]
    views: Int[Tensor, " n"]
    per_item: int

    @classmethod
    def choose(cls, source: ViewBank, split: str, per_item: int, max_items: int, seed: int) -> ViewSet:
        """``per_item`` different views of each of at most ``max_items`` items, drawn from the seed; 0 is all of either."""
        generator = seeded_generator(seed, "views of", split)
        items = torch.arange(source.num_items)
        if 0 < max_items < source.num_items:
            items = torch.randperm(source.num_items, generator=generator)[:max_items].sort().values
        chosen = distinct(len(items), source.num_views, per_item or source.num_views, generator)
        return cls(split, source, items.repeat_interleave(chosen.shape[1]), chosen.flatten(), chosen.shape[1])

    def __len__(self) -> int:
        return len(self.items)

    @property
    def num_items(self) -> int:
        return len(self.items) // self.per_item

    @property
    def factors(self) -> FactorSpace:
        return self.source.factors

    @cached_property
    def latents(self) -> Float[Tensor, "n A"]:
        return self.source.gather_latents(self.items, self.views)

    @cached_property
    def labels(self) -> Int[Tensor, " n"]:
        return torch.from_numpy(self.source.labels[self.items.numpy()])

    @cached_property
    def clusters(self) -> Int[Tensor, " n"]:
        """The bootstrap cluster of each row: its item, or the person, where one has several items."""
        people = getattr(self.source, "people", None)
        return self.items if people is None else torch.from_numpy(people)[self.items]

    @property
    def plain(self) -> ViewSet | None:
        """Each item's one view without augmentation; None where the data have none."""
        view = self.source.plain_view
        if view is None:
            return None
        items = self.items[:: self.per_item]
        return replace(self, items=items, views=torch.full_like(items, view), per_item=1)

    def spread_items(self, most: int) -> Int[Tensor, " m"]:
        """At most so many of its items, spread evenly; 0: all."""
        items = self.items[:: self.per_item]
        if not 0 < most < len(items):
            return items
        return items[torch.linspace(0, len(items) - 1, most, dtype=torch.float64).round().long()]

    def rows(self, per_item: int, seed: int) -> Int[Tensor, " m"]:
        """The rows of ``per_item`` views of each item, drawn from the seed; 0 is all."""
        chosen = distinct(self.num_items, self.per_item, per_item or self.per_item, seeded_generator(seed, "rows of", self.split))
        return (chosen + self.per_item * torch.arange(self.num_items)[:, None]).flatten()

    def partners(self, rows: Int[Tensor, " m"], seed: int) -> Int[Tensor, " m"]:
        """For each row another row of the same item; SettingsError where an item has one view here."""
        if self.per_item < 2:
            raise SettingsError(f"one view of each {self.split} item is used, but pairs need two: raise train_views to 2 or more")
        step = 1 + torch.randint(self.per_item - 1, rows.shape, generator=seeded_generator(seed, "partners", self.split))
        return rows // self.per_item * self.per_item + (rows + step) % self.per_item

    def held_out(self, seed: int, share: float = 0.2) -> Bool[Tensor, " n"]:
        """True at the rows of a share of the items (of the rows, where there is one item), for choosing penalties and the like."""
        generator = seeded_generator(seed, "held out", self.split)
        groups = self.num_items if self.num_items > 1 else len(self)
        chosen = torch.zeros(groups, dtype=torch.bool)
        chosen[torch.randperm(groups, generator=generator)[: max(1, round(share * groups))]] = True
        return chosen.repeat_interleave(len(self) // groups)


def distinct(count: int, total: int, wanted: int, generator: torch.Generator) -> Int[Tensor, "count wanted"]:
    """For each of ``count`` items ``wanted`` different numbers below ``total``, in rising order; all of them where fewer exist."""
    if wanted >= total:
        return torch.arange(total).expand(count, total)
    return torch.rand(count, total, generator=generator).argsort(dim=1)[:, :wanted].sort(dim=1).values
