"""Batches of pairs for training.

Every batch is a function of (seed, epoch, step) alone, so a resumed run continues with the next batch, and each of several
processes takes its share of the same batch: everything that is random is drawn for all of it, and views are read for the share alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pairs import PairBatch, PairSource, draw_pairs, with_decoys
from contextssl.errors import SettingsError
from contextssl.randomness import seeded_generator


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
        if self._lanes > 1 and self.batch_size % (each := self._lanes * math.lcm(self.block_size // 2, self.pairs_per_item)):
            raise SettingsError(
                f"shard_lanes is {self._lanes}, and batch_size {self.batch_size}: each lane gives whole sequences of {self.block_size // 2} pairs: "
                f"choose a multiple of {each}"
            )

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
            generator = seeded_generator(self.seed, "order", epoch)
            # Items that lie in shards elsewhere come in an order of their own.
            own = getattr(self.source, "order", None)
            a_batch = self.batch_size // self.pairs_per_item
            order = torch.randperm(self.source.num_items, generator=generator) if own is None else own(generator, a_batch)
            self._order.clear()
            self._order[epoch] = order
        start = step * self.batch_size // self.pairs_per_item
        stop = start + self.batch_pairs(step) // self.pairs_per_item
        items = order[start:stop].repeat_interleave(self.pairs_per_item)
        mixed = torch.randperm(len(items), generator=seeded_generator(self.seed, "shuffle", epoch, step))
        if self.together:
            # Within each sequence.
            mixed = mixed[(mixed // (self.block_size // 2)).argsort(stable=True)]
        elif (lanes := self._lanes) > 1:
            # Within each lane, of which one process or one machine has all.
            mixed = mixed[(mixed // (self.batch_size // lanes)).argsort(stable=True)]
        return items[mixed]

    @property
    def _lanes(self) -> int:
        """Parts of the items of which each batch has an equal share."""
        return getattr(self.source, "lanes", 1)

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
