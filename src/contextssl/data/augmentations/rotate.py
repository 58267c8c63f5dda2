"""A turn in the image plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.data.augmentations.augmentation import Augmentation, checked_range, precise, uniform


@dataclass(frozen=True)
class Rotate(Augmentation):
    """A rotation about the image's centre, counter-clockwise, with bilinear interpolation; what turns in is mirrored.

    Its latents are cosine and sine, so that 180° and -180° are one. The angle is drawn evenly from the range ``degrees``; SettingsError for one
    that is the wrong way round or not within -360 to 360.
    """

    name: ClassVar = "rotate"
    place: ClassVar = 2
    parameters: ClassVar = ("degrees",)
    identity: ClassVar = (0.0,)
    components: ClassVar = ("cos", "sin")

    degrees: tuple[float, float] = (-180.0, 180.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "degrees", checked_range("rotate degrees", self.degrees, -360.0, 360.0))

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        return uniform(count, self.degrees, generator)[:, None]

    def latents(self, parameters: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch W"]:
        """Cosine and sine of the angle."""
        angle = precise(parameters).deg2rad()
        return torch.cat((angle.cos(), angle.sin()), dim=-1).float()

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        # Not kornia's rotate: it multiplies batches of 3 × 3 matrices, which a GPU may do in TF32 and by the size of the batch.
        cos, sin = self.latents(parameters)[:, :, None, None].unbind(dim=1)
        height, width = images.shape[2:]
        # Distances from the middle in pixels, to the right and down.
        x = torch.arange(width, device=images.device) - (width - 1) / 2
        y = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
        grid = torch.stack(((cos * x - sin * y) * (2 / width), (sin * x + cos * y) * (2 / height)), dim=-1)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        angle = float(parameters[0])
        return f"rotated {angle:.0f}°" if angle else ""


AUGMENTATION = Rotate
