"""Pairs of views, and drawing batches of them.

Every batch is a function of (seed, epoch, step) alone, so a resumed run continues with the next batch, and each of several
processes takes its share of the same batch: everything that is random is drawn for all of it, and views are read for the share alone.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.held import held_by_factor
from contextssl.data.shared_values import sharing_pairs
from contextssl.data.views import ViewBank, Views
from contextssl.errors import DataError, SettingsError
from contextssl.factors import Environment, FactorSpace
from contextssl.randomness import seeded_generator

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

    def pairs(self, items: Int[Tensor, " n"], source: Int[Tensor, " n"], target: Int[Tensor, " n"]) -> PairBatch:
        """The pairs of chosen views, every factor active."""
        return PairBatch.between(
            self.factors,
            self.views.gather_latents(items, source),
            self.views.gather_latents(items, target),
            source=self.views.gather_views(items, source),
            target=self.views.gather_views(items, target),
            items=items,
            labels=torch.from_numpy(self.views.labels[items.numpy()]),
            source_views=source,
            target_views=target,
        )


@dataclass(frozen=True)
class PairSampler:
    """Batches of pairs for training, each a pure function of (seed, epoch, step).

    An epoch passes over every item once, in a new order, and draws ``pairs_per_item`` pairs of each into the same batch (more than one gives
    negatives of the same object). The last batch of an epoch may be smaller; no item is dropped.

    Args:
        source: what pairs are drawn of.
        environments: that each sequence's is drawn from.
        batch_size: pairs per batch, over all processes.
        block_size: tokens per sequence, two per pair.
        context: what a context is made of: ``"actions"``; ``"examples"``, pairs whose views share the active factors and differ in all others;
            ``"evidence"``, pairs whose actions have decoys in the inactive blocks.
        together: whether the pairs of an item stay in one sequence as far as they fit, instead of being spread over the batch.
    """

    source: PairSource
    environments: EnvironmentMix
    batch_size: int
    block_size: int
    pairs_per_item: int = 1
    seed: int = 0
    context: str = "actions"
    together: bool = False
    # The last epoch, and its order: of a million items it takes as long to draw as a batch.
    _order: dict[int, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise SettingsError(f"batch_size is {self.batch_size}: a contrastive loss needs at least two pairs")
        if self.pairs_per_item < 1 or self.batch_size % self.pairs_per_item:
            raise SettingsError(f"pairs_per_item is {self.pairs_per_item}: choose a divisor of batch_size {self.batch_size}")
        if self.num_pairs < 2:
            raise SettingsError("the training split gives one pair per epoch: it needs at least two items, or pairs_per_item of 2 or more")

    @property
    def num_pairs(self) -> int:
        return self.source.num_items * self.pairs_per_item

    @property
    def steps_per_epoch(self) -> int:
        # A last batch of one pair would have no negatives: it is joined to the one before it.
        whole, rest = divmod(self.num_pairs, self.batch_size)
        return max(whole + (rest >= 2), 1)

    def pairs_after(self, steps: int) -> int:
        """How many pairs, over all processes, so many steps have drawn."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return epochs * self.num_pairs + rest * self.batch_size

    def batch_pairs(self, step: int) -> int:
        """How many pairs that step's batch has, over all processes; the last of an epoch has what is left."""
        return self.num_pairs - step * self.batch_size if step == self.steps_per_epoch - 1 else self.batch_size

    def batch_items(self, epoch: int, step: int) -> Int[Tensor, " n"]:
        """Which items the batch draws, over all processes, in sequence order."""
        order = self._order.get(epoch)
        if order is None:
            order = torch.randperm(self.source.num_items, generator=seeded_generator(self.seed, "order", epoch))
            self._order.clear()
            self._order[epoch] = order
        start = step * self.batch_size // self.pairs_per_item
        stop = start + self.batch_pairs(step) // self.pairs_per_item
        items = order[start:stop].repeat_interleave(self.pairs_per_item)
        mixed = torch.randperm(len(items), generator=seeded_generator(self.seed, "shuffle", epoch, step))
        if self.together:
            # Within each sequence.
            mixed = mixed[(mixed // (self.block_size // 2)).argsort(stable=True)]
        return items[mixed]

    def _sequences(self, pairs: int) -> int:
        """Of so many pairs; the last may be shorter."""
        return math.ceil(pairs / (self.block_size // 2))

    def shares(self, step: int, world: int) -> list[int]:
        """How many pairs of that step's batch each process has: whole sequences, dealt out in order, so that shares may differ. A last batch of
        fewer sequences than processes is dealt out by pairs.

        Raises:
            SettingsError: for more processes than a whole batch has sequences, or the last batch pairs.
        """
        pairs, a_sequence = self.batch_pairs(step), self.block_size // 2
        if (of_a_whole := self._sequences(self.batch_size)) < world:
            raise SettingsError(
                f"a batch of {self.batch_size} pairs has {of_a_whole} sequences of {a_sequence}: too few for {world} processes; "
                f"raise batch_size to at least {world * a_sequence} or lower block_size"
            )
        if pairs < world:
            raise SettingsError(
                f"the last batch of an epoch has {pairs} pairs, too few for {world} processes: choose another batch_size than {self.batch_size}"
            )
        sequences = self._sequences(pairs)
        unit, units = (a_sequence, sequences) if sequences >= world else (1, pairs)
        bounds = [min(round(units * rank / world) * unit, pairs) for rank in range(world + 1)]
        return [stop - start for start, stop in pairwise(bounds)]

    def cuts_sequences(self, step: int, world: int) -> bool:
        """Whether that step's batch is dealt out by pairs, so that a sequence may have parts in several processes."""
        return self._sequences(self.batch_pairs(step)) < world

    def batch(self, epoch: int, step: int, rank: int = 0, world: int = 1) -> PairBatch:
        """One process's share of the batch, as :meth:`shares` deals it out. The shares of however many processes make up the same batch."""
        items = self.batch_items(epoch, step)
        drawn = self.environments.draw(self._sequences(len(items)), seeded_generator(self.seed, "environment", epoch, step))
        masks = torch.stack([self.source.factors.mask(environment) for environment in self.environments.environments])
        active = masks[drawn].repeat_interleave(self.block_size // 2, dim=0)[: len(items)]
        shares = self.shares(step, world)
        share = slice(sum(shares[:rank]), sum(shares[: rank + 1]))
        held = active if self.context == "examples" else None
        batch = draw_pairs(self.source, items, seeded_generator(self.seed, "views", epoch, step, 0), share, held)
        if self.context == "evidence":
            batch = with_decoys(self.source, batch, seeded_generator(self.seed, "decoys", epoch, step), len(items), share)
        return replace(batch, active=active[share])
