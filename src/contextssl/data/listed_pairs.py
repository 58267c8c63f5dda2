"""Pairs that are listed by a user, each with its kind: which two images count as the same, without any factor value.

Each image is an item of one view. A kind of pair is a factor without values: its latents are NaN, so that whatever reads them fails. What is known of
it, which views count as the same, is in the pairs' own latents: equal numbers, and no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.held import held_by_factor
from contextssl.data.pair_list import kinds_as_factors, same_views
from contextssl.data.pairs import EVERYTHING, OfViews, PairBatch
from contextssl.data.views import Views
from contextssl.errors import DataError

# Pairs that are looked at for one that fits best. More would hardly find better ones.
TRIES = 8
# What a pair costs whose views count as the same as those of a pair that is there already, and one that is itself there.
SAME, REPEATED = 1, 2


@dataclass(frozen=True, eq=False)
class ListedViews(Views):
    """Single images, and the pairs of them that are listed. Arguments as of :class:`~contextssl.data.views.Views`, and

    Args:
        listed: (P, 3) of each pair its two images and its kind, the number of a factor.
        people: (N,) of each image the group that it belongs to: its item, or the connected images. Evaluations resample these.
    """

    # A default only because the fields before have one.
    listed: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    people: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, images: Views, kinds: tuple[str, ...], listed: Int[np.ndarray, "P 3"], groups: Int[np.ndarray, " N"]) -> ListedViews:
        """The images of a store, one view each."""
        unknown = np.full((images.num_items, 1, len(kinds)), np.nan, np.float32)
        factors = kinds_as_factors(kinds)
        rest = (images.labels, factors, images.class_names, images.item_names, images.raw_latents)
        return cls(images.images, unknown, *rest, images.checks, listed=listed, people=groups)

    @cached_property
    def same(self) -> Int[np.ndarray, "N K"]:
        """Of each image and kind a number; images with the same count as the same."""
        of_kind = [self.listed[self.listed[:, 2] == kind, :2] for kind in range(len(self.factors.names))]
        return np.stack([same_views(self.num_items, pairs) for pairs in of_kind], axis=1)

    def caption(self, item: int, view: int) -> str:
        """Its name: there is no factor value."""
        return str(self.item_names[item])


class _Pairs:
    """The pairs of each key, for looking up."""

    def __init__(self, keys: Int[np.ndarray, " m"], pairs: Int[np.ndarray, " m"], count: int) -> None:
        self.pairs = pairs[keys.argsort(kind="stable")]
        self.bounds = np.concatenate([[0], np.bincount(keys, minlength=count).cumsum()])

    def pick(self, key: int, chance: float) -> int | None:
        """One of them by a number from 0 to 1; None where there is none."""
        start, stop = int(self.bounds[key]), int(self.bounds[key + 1])
        return None if start == stop else int(self.pairs[min(start + int(chance * (stop - start)), stop - 1)])


@dataclass(frozen=True)
class ListedPairs(OfViews):
    """Pairs out of a list, a :class:`~contextssl.data.pairs.PairSource`.

    ``draw`` takes the kind as ``held``: the one factor that both views share. An image that is asked for stands for its group. The first pair of
    an image is one of its own, as far as there is one of the kind; the next are others of its group, which are the hardest negatives, then any
    others of the kind. Views that count as the same as those of a pair that is drawn already are avoided as far as possible, since they are no
    negatives (:func:`~contextssl.models.contrast.alike_in_context`). Without a factor that is held, pairs are of any kind: what they share is
    the item.
    """

    views: ListedViews

    @cached_property
    def _found(self) -> tuple[_Pairs, _Pairs, _Pairs]:
        """Pairs by kind and image, by kind and group, by kind. One more kind holds all."""
        listed, groups = self.views.listed, self.views.people
        numbers, any_kind = np.arange(len(listed)), np.full(len(listed), self._any)
        kind = np.concatenate([listed[:, 2], any_kind])
        first, second, pair = (np.concatenate([each, each]) for each in (listed[:, 0], listed[:, 1], numbers))
        kinds, images, all_groups = self._any + 1, self.num_items, int(groups.max()) + 1
        by_image = np.concatenate([kind * images + first, kind * images + second])
        return (
            _Pairs(by_image, np.concatenate([pair, pair]), kinds * images),
            _Pairs(kind * all_groups + groups[first], pair, kinds * all_groups),
            _Pairs(kind, pair, kinds),
        )

    @property
    def _any(self) -> int:
        """The number that stands for any kind."""
        return len(self.factors.names)

    def draw(
        self,
        items: Int[Tensor, " n"],
        generator: torch.Generator,
        share: slice = EVERYTHING,
        held: Bool[Tensor, "n A"] | None = None,
    ) -> PairBatch:
        kinds = self._kinds(held, len(items))
        chance = torch.rand(len(items), 3 * TRIES, generator=generator).tolist()
        chosen = self.views.listed[self._choose(items.tolist(), kinds, chance), :2]
        # Both views count as the same: either may come first.
        turned = torch.rand(len(items), generator=generator).numpy() < 0.5
        chosen = np.where(turned[:, None], chosen[:, ::-1], chosen)[share]
        source, target = torch.from_numpy(chosen.copy()).unbind(1)
        return self._batch(source, target)

    def _kinds(self, held: Bool[Tensor, "n A"] | None, count: int) -> list[int]:
        """The kind of each pair."""
        if held is None:
            return [self._any] * count
        by_factor = torch.stack([*held_by_factor(held, self.factors, count).values()], dim=1)
        together = by_factor.sum(dim=1)
        if bool((together > 1).any()):
            row = by_factor[int(together.argmax())]
            names = "+".join(name for name, kept in zip(self.factors.names, row.tolist(), strict=True) if kept)
            raise DataError(f"no pair is listed as {names}: each is of one kind; name one of {', '.join(self.factors.names)}")
        return torch.where(together == 1, by_factor.int().argmax(dim=1), self._any).tolist()

    def _choose(self, items: list[int], kinds: list[int], chance: list[list[float]]) -> list[int]:
        """The number of each pair in the list.

        Raises:
            DataError: where none is listed.
        """
        of_image, of_group, of_kind = self._found
        groups, images, all_groups = self.views.people, self.num_items, int(self.views.people.max()) + 1
        asked: set[int] = set()
        there: set[int] = set()
        same: set[tuple[int, int]] = set()
        chosen: list[int] = []
        for item, kind, numbers in zip(items, kinds, chance, strict=True):
            best, least = -1, SAME + REPEATED + 1
            stages = [(of_group, kind * all_groups + int(groups[item])), (of_kind, kind)]
            if item not in asked:
                stages = [(of_image, kind * images + item), *stages]
            left = iter(numbers)
            for found, key in stages:
                for _ in range(TRIES):
                    pair = found.pick(key, next(left))
                    if pair is None:
                        break
                    cost = SAME * (self._same(pair, kind) in same) + REPEATED * (pair in there)
                    if cost < least:
                        best, least = pair, cost
                    if cost == 0:
                        break
                # A pair of its own is taken though another like it may be there: so an epoch shows every image.
                if least < (REPEATED if found is of_image else SAME):
                    break
            if best < 0:
                raise DataError(f"no pair of the kind {self.factors.names[kind]} is listed in this split: list some, or leave the kind out")
            asked.add(item)
            there.add(best)
            same.add(self._same(best, kind))
            chosen.append(best)
        return chosen

    def _same(self, pair: int, kind: int) -> tuple[int, int]:
        """Equal of pairs whose views count as the same in their kind."""
        first = int(self.views.listed[pair, 0])
        return kind, int(self.views.people[first] if kind == self._any else self.views.same[first, kind])

    def _batch(self, source: Int[Tensor, " n"], target: Int[Tensor, " n"]) -> PairBatch:
        views, only = self.views, torch.zeros_like(source)
        unknown: Float[Tensor, "n A"] = views.gather_latents(source, only)
        same = torch.from_numpy(views.same).float()
        return PairBatch(
            source=views.gather_views(source, only),
            target=views.gather_views(target, only),
            action=unknown,
            source_latents=same[source],
            target_latents=same[target],
            active=torch.ones_like(unknown, dtype=torch.bool),
            items=torch.from_numpy(views.people)[source],
            labels=torch.from_numpy(views.labels)[source],
            source_views=source,
            target_views=target,
        )

    def complete(self, batch: PairBatch) -> PairBatch:
        return batch

    def captions(self, batch: PairBatch, row: int) -> tuple[str, str]:
        return self.views.caption(int(batch.source_views[row]), 0), self.views.caption(int(batch.target_views[row]), 0)
