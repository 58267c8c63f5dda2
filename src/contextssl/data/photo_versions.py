"""Fixed augmentations of photos, for a frozen encoder, on a grid of parameters: a pair can share some factors and differ in the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Float32, Int
from torch import Tensor

from contextssl.data.augmented import BLOCK, AugmentedViews, made_by
from contextssl.data.blocks import Blocks
from contextssl.data.item_checks import ItemChecks
from contextssl.data.shared_parameters import target_parameters
from contextssl.data.views import Views
from contextssl.errors import SettingsError
from contextssl.randomness import derive_seed, seeded_generator

# Versions of a photo, where the settings do not say.
USUAL = 8


@dataclass(frozen=True, eq=False)
class PhotoVersions(AugmentedViews):
    """Versions of each photo in groups of 2 ** F, for F factors: every combination of two values of each factor, which differ. So each version has in
    its group just one partner for every choice of factors that a pair may share. None of them is the photo as it is.
    """

    _latents: Blocks = field(default_factory=Blocks, repr=False)

    @classmethod
    def of(cls, views: AugmentedViews, count: int | None, split: str) -> PhotoVersions:
        """So many versions of the photos of augmented views; None: the usual number.

        Raises:
            SettingsError: for a number that is no multiple of 2 ** F.
        """
        group = 2 ** len(views.factors.names)
        count = max(USUAL, group) if count is None else count
        if count % group:
            raise SettingsError(
                f"frozen_views is {count}: {len(views.factors.names)} factors need a multiple of {group}, every combination of two values of each"
            )
        return cls(views.photos, views.augmentations, count, derive_seed(0, "versions", split))

    @property
    def plain_view(self) -> int | None:
        return None

    @property
    def description(self) -> dict[str, Any]:
        """Plain values that determine the versions of given photos."""
        return {"count": self.num_views, "augmentations": made_by(self.augmentations)}

    def as_features(
        self, features: Float16[np.ndarray, "N V F"], latents: Float32[np.ndarray, "N V A"], checks: ItemChecks | None = None
    ) -> Views:
        """The versions as what an encoder made of each."""
        return Views(features, latents, self.labels, self.factors, self.class_names, self.photos.item_names, checks=checks)

    def gather_latents(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> Float[Tensor, "n A"]:
        """Equal of equal parameters, bit for bit: each value's numbers are computed once."""
        found = torch.empty(len(items), self.factors.width)
        blocks = items // BLOCK
        for block in blocks.unique().tolist():
            chosen = blocks == block
            found[chosen] = self._latents.get(block, self._draw_latents)[items[chosen] % BLOCK, views[chosen]]
        return found

    def _values(self, block: int) -> tuple[Float[Tensor, "m P"], Float[Tensor, "m P"]]:
        """Both values of every factor in each group of a block's photos."""
        generator = seeded_generator(self.seed, "versions", block)
        groups = BLOCK * self.num_views // 2 ** len(self.factors.names)
        one, other = self.augmentations.draw(2 * groups, generator).chunk(2)
        held = torch.zeros(groups, self.factors.width, dtype=torch.bool)
        return one, target_parameters(self.augmentations, one, other, held, generator)

    def _draw(self, block: int) -> Float[Tensor, "items V P"]:
        widths = [len(augmentation.parameters) for augmentation in self.augmentations.augmentations]
        return combinations(*self._values(block), widths).view(BLOCK, self.num_views, -1)

    def _draw_latents(self, block: int) -> Float[Tensor, "items V A"]:
        one, other = map(self.augmentations.latents, self._values(block))
        return combinations(one, other, [factor.width for factor in self.factors.factors]).view(BLOCK, self.num_views, -1)


def combinations(one: Float[Tensor, "m P"], other: Float[Tensor, "m P"], widths: Sequence[int]) -> Float[Tensor, "m C P"]:
    """All C = 2 ** len(widths) rows whose blocks, of these widths, are those of either."""
    chosen: Bool[Tensor, "C P"] = torch.tensor(list(product((False, True), repeat=len(widths)))).repeat_interleave(
        torch.tensor(widths), dim=1
    )
    return torch.where(chosen, other[:, None], one[:, None])
