"""Transformations of images that a model may or may not have been trained on, each as a change of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from contextssl.data.augmentations.compose import Augmentations
from contextssl.data.augmented import AugmentedViews
from contextssl.data.shared_parameters import target_parameters
from contextssl.data.views import ViewBank
from contextssl.errors import SettingsError
from contextssl.named_code import KORNIA

# Those of this package, and of kornia one for each thing that ours leave alone: levels, their order, channels, the plane, parts.
USUAL = (
    *("crop", "blur", "color", "flip", "rotate", "grayscale"),
    *(f"{KORNIA}{name}" for name in ("RandomSolarize", "RandomInvert", "RandomChannelShuffle", "RandomPerspective", "RandomErasing")),
)


@dataclass(frozen=True)
class Transformation:
    """One augmentation, applied to every image.

    Args:
        name: of the factor.
        trained: whether it was one of the factors of the training.
        augmentations: it alone.
    """

    name: str
    trained: bool
    augmentations: Augmentations

    @property
    def title(self) -> str:
        """The ``factor`` of its rows: ``grayscale``, ``crop (trained)``."""
        return f"{self.name} (trained)" if self.trained else self.name

    def changed(self, images: UInt8[Tensor, "n C H W"], generator: torch.Generator) -> UInt8[Tensor, "n C H W"]:
        """The images under parameters of a new draw. Where a draw would leave an image as it is, it is drawn again.

        Raises:
            DataError: for an augmentation that leaves every image as it is.
        """
        augmentations, count = self.augmentations, len(images)
        as_they_are = augmentations.identity.expand(count, -1)
        held = torch.zeros(count, augmentations.factors.width, dtype=torch.bool)
        drawn = augmentations.draw(count, generator)
        return augmentations.apply(images, target_parameters(augmentations, as_they_are, drawn, held, generator))


def transformations_of(
    views: ViewBank, names: Sequence[str] | None = None, ranges: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Transformation]:
    """Those named that training never varied, then those that it did, with the ranges of the training: the control.

    Args:
        views: that the model was trained on. The factors of stored views are no augmentations, and have no control here.
        names: as in ``factors``; default: :data:`USUAL`. One that training varied is among the control, and not listed twice.
        ranges: arguments of some of them, as in ``augmentation_settings``.

    Raises:
        SettingsError: for unknown names or arguments; where the views are no images of 1 or 3 channels; where nothing is left to measure.
    """
    shape = views.view_shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise SettingsError(
            f"transformations are of images of 1 or 3 channels, and these views have the shape {tuple(shape)}: use another protocol"
        )
    own = views.augmentations.augmentations if isinstance(views, AugmentedViews) else ()
    varied = [augmentation.name for augmentation in own]
    wanted = [name for name in (USUAL if names is None else names) if name.removeprefix(KORNIA) not in varied]
    for name in ranges or {}:
        if name in varied:
            raise SettingsError(f"transformation_settings holds {name!r}, which keeps the ranges it was trained with: leave it out")
    found: list[Transformation] = []
    if wanted:
        new = Augmentations.named(wanted, ranges).for_images(shape)
        found = [Transformation(each.name, False, Augmentations((each,))) for each in new.augmentations]
    # A user's own is named by its place, and trained under the name of its factor.
    found = [each for each in found if each.name not in varied]
    found += [Transformation(each.name, True, Augmentations((each,))) for each in own]
    if not found:
        raise SettingsError("transformations is empty: name at least one, such as transformations=[grayscale,kornia:RandomSolarize]")
    return found


def images_of(views: ViewBank, items: Int[Tensor, " n"], generator: torch.Generator) -> UInt8[Tensor, "n C H W"]:
    """Of each item the image with nothing done to it, or any of its views where there is none."""
    plain = views.plain_view
    chosen = torch.randint(views.num_views, items.shape, generator=generator) if plain is None else torch.full_like(items, plain)
    return views.gather_views(items, chosen)
