"""Left and right exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from contextssl.data.augmentations.augmentation import Switched


@dataclass(frozen=True)
class Flip(Switched):
    """A horizontal flip, or none."""

    name: ClassVar = "flip"
    place: ClassVar = 1
    parameters: ClassVar = ("flipped",)

    def changed(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n C H W"]:
        return images.flip(-1)


AUGMENTATION = Flip
