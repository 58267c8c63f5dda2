"""Views that are made from stored images by augmentations whose parameters are known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from contextssl.data.augmentations.compose import Augmentations
from contextssl.data.blocks import Blocks
from contextssl.data.pairs import EVERYTHING, OfViews, PairBatch
from contextssl.data.shared_parameters import target_parameters
from contextssl.data.views import Views
from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.factors import FactorSpace
from contextssl.randomness import seeded_generator

# Items whose parameters are drawn together, so that a few images do not need the parameters of a million.
BLOCK = 1024
# Of the view that is not augmented.
PLAIN = 0


@dataclass(frozen=True, eq=False)
class AugmentedViews:
    """Fixed augmentations of each stored image, one per item of ``photos``: view 0 is the image itself, the others are functions of the seed. Two
    splits take two seeds.
    """

    photos: Views
    augmentations: Augmentations
    num_views: int = 50
    seed: int = 0
    class_names: tuple[str, ...] = field(init=False, repr=False)
    labels: np.ndarray = field(init=False, repr=False)
    num_items: int = field(init=False, repr=False)
    num_classes: int = field(init=False, repr=False)
    view_shape: tuple[int, int, int] = field(init=False, repr=False)
    _drawn: Blocks = field(default_factory=Blocks, repr=False)

    def __post_init__(self) -> None:
        if self.photos.num_views != 1:
            raise DataError(f"augmentations make views of single images; these items have {self.photos.num_views} views each")
        if self.num_views < 2:
            raise DataError(f"views is {self.num_views}: an item needs at least two, the image itself and one augmentation of it")
        for name in ("class_names", "labels", "num_items", "num_classes", "view_shape"):
            object.__setattr__(self, name, getattr(self.photos, name))

    @property
    def factors(self) -> FactorSpace:
        return self.augmentations.factors

    @property
    def plain_view(self) -> int | None:
        return PLAIN

    def parameters(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n P"]:
        """What was done to each view, (n, P) float32. A function of the seed, the item and the view alone."""
        found = torch.empty(len(items), self.augmentations.width)
        blocks = items // BLOCK
        for block in blocks.unique().tolist():
            chosen = blocks == block
            found[chosen] = self._drawn.get(block, self._draw)[items[chosen] % BLOCK, views[chosen]]
        return found

    def _draw(self, block: int) -> Float[Tensor, "items V P"]:
        drawn = self.augmentations.draw(BLOCK * self.num_views, seeded_generator(self.seed, "augmented", block))
        drawn = drawn.view(BLOCK, self.num_views, -1)
        drawn[:, PLAIN] = self.augmentations.identity
        return drawn

    def gather_views(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        """The views (n, C, H, W) uint8, made again: the same pixels each time."""
        return self.augmentations.apply(self.photographed(items), self.parameters(items, views))

    def gather_latents(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n A"]:
        return self.augmentations.latents(self.parameters(items, views))

    def redrawn(
        self, items: Int[Tensor, " n"], views: Int[Tensor, " n"], name: str, generator: torch.Generator
    ) -> UInt8[Tensor, "n C H W"]:
        """The views with one factor's parameters drawn again, everything else as it is."""
        return self.augmentations.apply(self.photographed(items), self.augmentations.redraw(self.parameters(items, views), name, generator))

    def photographed(self, items: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"]:
        """The stored images."""
        return self.photos.gather_views(items, torch.zeros_like(items))

    def caption(self, item: int, view: int) -> str:
        return self.augmentations.words(self.parameters(torch.tensor([item]), torch.tensor([view]))[0])

    def digest(self) -> str:
        made = json.dumps([*made_by(self.augmentations), self.num_views, self.seed], sort_keys=True)
        return digest_of_bytes([f"{self.photos.digest()} {made}"])


def made_by(augmentations: Augmentations) -> list[Any]:
    """Plain values that determine what augmentations make of given parameters: their description, and the source of a user's own."""
    return [augmentations.description, *filter(None, [augmentations.own_code])]


@dataclass(frozen=True)
class AugmentedPairs(OfViews):
    """Pairs of two augmentations of one image, drawn for every batch.

    Drawing gives images and parameters; :meth:`complete` makes the views, on the device that the batch has come to. ``views`` are the images and
    their augmentations, and also the fixed views that are evaluated.
    """

    views: AugmentedViews

    def draw(
        self, items: Int[Tensor, " n"], generator: torch.Generator, share: slice = EVERYTHING, held: Bool[Tensor, "n A"] | None = None
    ) -> PairBatch:
        augmentations = self.views.augmentations
        source, target = augmentations.draw(2 * len(items), generator).chunk(2)
        if held is not None:
            target = target_parameters(augmentations, source, target, held, generator)
        source, target, items = source[share], target[share], items[share]
        images = self.views.photographed(items)
        nowhere = torch.full_like(items, -1)
        return PairBatch.between(
            self.factors,
            augmentations.latents(source),
            augmentations.latents(target),
            source=images,
            target=images,
            items=items,
            labels=torch.from_numpy(self.views.labels[items.numpy()]),
            source_views=nowhere,
            target_views=nowhere,
            source_parameters=source,
            target_parameters=target,
        )

    def decoys(self, batch: PairBatch, generator: torch.Generator, count: int, share: slice = EVERYTHING) -> Float[Tensor, "n A"]:
        """Of each pair of a share the action from its source to a third view of its image; all ``count`` are drawn."""
        augmentations = self.views.augmentations
        return self.factors.relative(batch.source_latents, augmentations.latents(augmentations.draw(count, generator)[share]))

    def complete(self, batch: PairBatch) -> PairBatch:
        assert batch.source_parameters is not None and batch.target_parameters is not None
        # One call for both ends: half the calls into the augmentations' many small operations.
        images, parameters = torch.cat([batch.source, batch.target]), torch.cat([batch.source_parameters, batch.target_parameters])
        return batch.with_views(*self.views.augmentations.apply(images, parameters).chunk(2))

    def captions(self, batch: PairBatch, row: int) -> tuple[str, str]:
        assert batch.source_parameters is not None and batch.target_parameters is not None
        words = self.views.augmentations.words
        return words(batch.source_parameters[row]), words(batch.target_parameters[row])
