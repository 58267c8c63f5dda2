"""Left and right exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from kornia.geometry.transform import hflip
from torch import Tensor

from contextssl.data.augmentations.augmentation import Augmentation, checked_number, per_image


@dataclass(frozen=True)
class Flip(Augmentation):
    """A horizontal flip, or none.

    Args:
        chance: how often an image is flipped, 0 to 1.

    Raises:
        SettingsError: for a chance out of these bounds.
    """

    name: ClassVar = "flip"
    place: ClassVar = 1
    parameters: ClassVar = ("flipped",)
    identity: ClassVar = (0.0,)

    chance: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", checked_number("flip chance", self.chance, 0.0, 1.0))

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        return (torch.rand(count, 1, generator=generator) < self.chance).float()

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        return torch.where(per_image(parameters[:, 0]) > 0.5, hflip(images), images)

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        return "flipped" if parameters[0] > 0.5 else ""


AUGMENTATION = Flip
