"""Pairs of views, and where they are drawn of."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.held import held_by_factor
from contextssl.data.shared_values import sharing_pairs
from contextssl.data.views import ViewBank, Views
from contextssl.errors import DataError
from contextssl.factors import Environment, FactorSpace

# Of a batch.
EVERYTHING = slice(None)


@dataclass(frozen=True)
class PairBatch:
    """n pairs of views, in consecutive sequences.

    Args:
        source, target: (n, ...) views: images (n, C, H, W) uint8, or anything that the encoder takes.
        action: (n, A) from source to target, of all factors.
        source_latents, target_latents: (n, A) absolute factor values.
        active: (n, A) True at the numbers of the factors that are active in the pair's environment.
        items, labels: (n,) which item of the split, and its class.
        source_views, target_views: (n,) which views of the item; -1 for views that are made for this pair alone.
        source_parameters, target_parameters: (n, P) what makes, or has made, the views out of stored images
            (:meth:`PairSource.complete`); None for stored views.
        exact: (n,) True where source and target differ in nothing but their factors; None where all pairs do.
        decoy: (n, A) the action from source to a third view of the item, for contexts of evidence; None for others.
    """

    source: Tensor
    target: Tensor
    action: Float[Tensor, "n A"]
    source_latents: Float[Tensor, "n A"]
    target_latents: Float[Tensor, "n A"]
    active: Bool[Tensor, "n A"]
    items: Int[Tensor, " n"]
    labels: Int[Tensor, " n"]
    source_views: Int[Tensor, " n"]
    target_views: Int[Tensor, " n"]
    source_parameters: Float[Tensor, "n P"] | None = None
    target_parameters: Float[Tensor, "n P"] | None = None
    exact: Bool[Tensor, " n"] | None = None
    decoy: Float[Tensor, "n A"] | None = None

    def __len__(self) -> int:
        return len(self.action)

    def tensors(self) -> dict[str, Tensor]:
        """Those that are there, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    def share_memory(self) -> None:
        """Moves all tensors to memory that other processes share. Raises RuntimeError where there is too little of it."""
        for tensor in self.tensors().values():
            tensor.share_memory_()

    @classmethod
    def between(
        cls, factors: FactorSpace, source_latents: Float[Tensor, "n A"], target_latents: Float[Tensor, "n A"], **rest: Any
    ) -> PairBatch:
        """Pairs whose action is what leads from source to target, every factor active. ``rest`` are the other fields."""
        action = factors.relative(source_latents, target_latents)
        active = torch.ones_like(action, dtype=torch.bool)
        return cls(action=action, source_latents=source_latents, target_latents=target_latents, active=active, **rest)

    @property
    def active_action(self) -> Float[Tensor, "n A"]:
        """The action of the environment: the blocks of inactive factors are zero, or decoys where there are any."""
        return self.action * self.active if self.decoy is None else torch.where(self.active, self.action, self.decoy)

    @property
    def latents(self) -> Float[Tensor, "n 2 A"]:
        """Of both views: [:, 0] of sources and [:, 1] of targets."""
        return torch.stack([self.source_latents, self.target_latents], dim=1)

    def _map(self, function: Any) -> PairBatch:
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        mapped: dict[str, Any] = {name: value if value is None else function(value) for name, value in values.items()}
        return PairBatch(**mapped)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> PairBatch:
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> PairBatch:
        return self._map(lambda tensor: tensor.pin_memory())

    def with_views(self, source: Tensor, target: Tensor) -> PairBatch:
        """The same pairs with other pixels."""
        return replace(self, source=source, target=target)


@runtime_checkable
class PairSource(Protocol):
    """Items of which pairs can be drawn: many views of each (:class:`ViewPairs`), or views made for each pair
    (:class:`~contextssl.data.augmented.AugmentedPairs`).
    """

    @property
    def views(self) -> ViewBank:
        """Views of each item that are always the same: what is evaluated."""
        ...

    @property
    def factors(self) -> FactorSpace: ...

    @property
    def num_items(self) -> int: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def draw(
        self,
        items: Int[Tensor, " n"],
        generator: torch.Generator,
        share: slice = EVERYTHING,
        held: Bool[Tensor, "n A"] | None = None,
    ) -> PairBatch:
        """One pair of each item named (repeats allowed), every factor active.

        Args:
            share: which of those pairs to return. All are drawn, so that a pair is the same whatever share it is part of.
            held: True at the numbers of the factors whose value both views of a pair share; every other factor's differs, and pairs of one
                item differ from each other in every factor, where the data allow. None: any two different views.

        Raises:
            DataError: where the data have no two such views.
        """
        ...

    def complete(self, batch: PairBatch) -> PairBatch:
        """The batch with its views made, on the device that it is on; a batch of views as it is."""
        ...

    def captions(self, batch: PairBatch, row: int) -> tuple[str, str]:
        """Source and target of one pair in words."""
        ...


def draw_pairs(
    source: PairSource,
    items: Int[Tensor, " n"],
    generator: torch.Generator,
    share: slice = EVERYTHING,
    held: Bool[Tensor, "n A"] | None = None,
) -> PairBatch:
    """Pairs of a source; arguments as of :meth:`PairSource.draw`. ``held`` is given only where pairs are examples, so a source that cannot give any
    needs no such argument.

    Raises:
        DataError: for a source of the user's own that has no argument ``held``.
    """
    if held is None:
        return source.draw(items, generator, share)
    if "held" not in inspect.signature(source.draw).parameters:
        raise DataError(
            f"{type(source).__name__}.draw has no argument held, which context=examples needs: add it (contextssl.data.pairs.PairSource says what "
            "it means), or leave context=examples out"
        )
    return source.draw(items, generator, share, held=held)


def spread_pairs(source: PairSource, count: int, generator: torch.Generator, held: Environment | None = None) -> PairBatch:
    """``count`` pairs, complete, spread evenly over the items.

    Args:
        held: the factors that both views of a pair share; None: any two different views.
    """
    items = torch.randperm(source.num_items, generator=generator).repeat(math.ceil(count / source.num_items))[:count]
    mask = None if held is None else source.factors.mask(held).expand(count, -1)
    return source.complete(draw_pairs(source, items, generator, held=mask))


def with_decoys(source: PairSource, batch: PairBatch, generator: torch.Generator, count: int, share: slice = EVERYTHING) -> PairBatch:
    """The pairs with a decoy each: the action to a third view of the item.

    Args:
        batch: the share of ``count`` pairs that were drawn.

    Raises:
        DataError: for a source that gives none.
    """
    decoys = getattr(source, "decoys", None)
    if decoys is None:
        raise DataError(
            f"context=evidence needs actions to a third view, which {type(source).__name__} does not give: use context=examples"
        )
    return replace(batch, decoy=decoys(batch, generator, count, share))


class OfViews:
    """What pairs have from the views that they are drawn of."""

    views: ViewBank

    @property
    def factors(self) -> FactorSpace:
        return self.views.factors

    @property
    def num_items(self) -> int:
        return self.views.num_items

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.views.class_names


@dataclass(frozen=True)
class ViewPairs(OfViews):
    """Pairs of two different views of an item, out of many that are stored."""

    views: Views

    def __post_init__(self) -> None:
        if self.views.num_views < 2:
            raise DataError(f"pairs need at least two views per item; this data set has {self.views.num_views}")

    def draw(
        self,
        items: Int[Tensor, " n"],
        generator: torch.Generator,
        share: slice = EVERYTHING,
        held: Bool[Tensor, "n A"] | None = None,
    ) -> PairBatch:
        if held is not None:
            source, target = self._sharing(items, held, generator)
            return self.pairs(items[share], source[share], target[share])
        count = self.views.num_views
        source = torch.randint(count, items.shape, generator=generator)
        target = (source + 1 + torch.randint(count - 1, items.shape, generator=generator)) % count
        return self.pairs(items[share], source[share], target[share])

    def _sharing(
        self, items: Int[Tensor, " n"], held: Bool[Tensor, "n A"], generator: torch.Generator
    ) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Source and target views that share the held factors' values and differ in the others'."""
        there, rows = items.unique(return_inverse=True)
        latents = torch.from_numpy(self.views.latents[there.numpy()])
        by_factor = held_by_factor(held, self.factors, len(items))
        source, target, found = sharing_pairs(latents, self.factors.slices, rows, torch.stack([*by_factor.values()], dim=1), generator)
        if not bool(found.all()):
            missing = int((~found).nonzero()[0, 0])
            names = [name for name, kept in by_factor.items() if bool(kept[missing])]
            kept = f"the same {' and '.join(names)}" if names else "no factor in common"
            others = [name for name in self.factors.names if name not in names]
            rest = f" and another {' and another '.join(others)}" if names and others else ""
            raise DataError(
                f"examples need pairs of views: item {int(items[missing])} has no two views with {kept}{rest}; render a grid of values, "
                f"such as 'grid={{{','.join(f'{name}:7' for name in self.factors.names)}}}'"
            )
        return source, target

    def decoys(self, batch: PairBatch, generator: torch.Generator, count: int, share: slice = EVERYTHING) -> Float[Tensor, "n A"]:
        """Of each pair of a share the action from its source to a third view of its item; all ``count`` are drawn.

        Raises:
            DataError: where items have two views only.
        """
        views = self.views.num_views
        if views < 3:
            raise DataError(f"context=evidence needs a third view of each item, and these have {views}")
        third = torch.randint(views - 2, (count,), generator=generator)[share]
        # Past the two that are taken.
        low, high = (end(batch.source_views, batch.target_views) for end in (torch.minimum, torch.maximum))
        third = third + (third >= low)
        third = third + (third >= high)
        return self.factors.relative(batch.source_latents, self.views.gather_latents(batch.items, third))

    def complete(self, batch: PairBatch) -> PairBatch:
        return batch

    def captions(self, batch: PairBatch, row: int) -> tuple[str, str]:
        item = int(batch.items[row])
        return self.views.caption(item, int(batch.source_views[row])), self.views.caption(item, int(batch.target_views[row]))

    def pixels(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Tensor:
        """Chosen views, as a batch holds them."""
        return self.views.gather_views(items, views)

    def pairs(self, items: Int[Tensor, " n"], source: Int[Tensor, " n"], target: Int[Tensor, " n"]) -> PairBatch:
        """The pairs of chosen views, every factor active."""
        return PairBatch.between(
            self.factors,
            self.views.gather_latents(items, source),
            self.views.gather_latents(items, target),
            source=self.pixels(items, source),
            target=self.pixels(items, target),
            items=items,
            labels=torch.from_numpy(self.views.labels[items.numpy()]),
            source_views=source,
            target_views=target,
        )
