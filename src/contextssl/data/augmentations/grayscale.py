"""Colour taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from kornia.color import rgb_to_grayscale
from torch import Tensor

from contextssl.data.augmentations.augmentation import Switched


@dataclass(frozen=True)
class Grayscale(Switched):
    """Every channel becomes the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), or none does. A grey image stays as it is."""

    name: ClassVar = "grayscale"
    place: ClassVar = 4
    parameters: ClassVar = ("grey",)

    chance: float = 0.2

    def changed(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n C H W"]:
        return images if images.shape[1] == 1 else rgb_to_grayscale(images).expand_as(images)


AUGMENTATION = Grayscale
