"""Colour taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from kornia.color import rgb_to_grayscale
from torch import Tensor

from contextssl.data.augmentations.augmentation import Augmentation, checked_number, per_image


@dataclass(frozen=True)
class Grayscale(Augmentation):
    """Every channel becomes the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), or none does. A grey image stays as it is.

    Args:
        chance: how often an image loses its colour, 0 to 1.

    Raises:
        SettingsError: for a chance out of these bounds.
    """

    name: ClassVar = "grayscale"
    place: ClassVar = 4
    parameters: ClassVar = ("grey",)
    identity: ClassVar = (0.0,)

    chance: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", checked_number("grayscale chance", self.chance, 0.0, 1.0))

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        return (torch.rand(count, 1, generator=generator) < self.chance).float()

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        if images.shape[1] == 1:
            return images
        return torch.where(per_image(parameters[:, 0]) > 0.5, rgb_to_grayscale(images), images)

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        return "grey" if parameters[0] > 0.5 else ""


AUGMENTATION = Grayscale
