"""A random box of the image, resized back to the image's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.augmentations.augmentation import STEPS, Augmentation, checked_range, separable, uniform
from contextssl.errors import SettingsError

# Boxes that stick out are drawn again this often, as torchvision's RandomResizedCrop does it.
ATTEMPTS = 10


@dataclass(frozen=True)
class Crop(Augmentation):
    """A box of random area, shape and place, resized to the image's size by bilinear interpolation.

    Area and log ratio are drawn evenly and the place evenly among those where the box fits, as in the crops of Inception (Szegedy et al.
    2015) and SimCLR; but places and sizes are fractions of the image and not whole pixels. Where no attempt fits, the last one's ratio gives
    way to the nearest that does.

    Args:
        area: range of the box's share of the image's area, above 0 and up to 1.
        ratio: range of width / height of the box, both as fractions of the image.

    Raises:
        SettingsError: for a range that is the wrong way round or out of bounds, or an area that fits the image at no ratio.
    """

    name: ClassVar = "crop"
    place: ClassVar = 0
    parameters: ClassVar = ("top", "left", "height", "width")
    identity: ClassVar = (0.0, 0.0, 1.0, 1.0)
    components: ClassVar = ("top", "left", "height", "width", "log area")

    area: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        # Below a ten-thousandth a box is less than a pixel of any usual image.
        object.__setattr__(self, "area", checked_range("crop area", self.area, 1e-4, 1.0))
        object.__setattr__(self, "ratio", checked_range("crop ratio", self.ratio, 1e-2, 1e2))
        low, high = self.ratio
        largest = min(1.0, high, 1 / low)
        if self.area[1] > largest:
            raise SettingsError(
                f"crop area up to {self.area[1]:g} fits no box of ratio {low:g} to {high:g}: "
                f"let the area end at {largest:g}, or let the ratio's range hold 1"
            )

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        area = uniform(count * ATTEMPTS, self.area, generator).view(count, ATTEMPTS)
        low, high = self.ratio
        ratio = uniform(count * ATTEMPTS, (math.log(low), math.log(high)), generator).exp_().clamp_(low, high).view(count, ATTEMPTS)
        fits = (ratio >= area) & (ratio * area <= 1)
        fits[:, -1] = True
        first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
        area, ratio = area.gather(1, first).squeeze(1), ratio.gather(1, first).squeeze(1)
        # Changes the last attempt alone. The range checked above leaves a ratio between these bounds for every area.
        ratio = ratio.maximum(area).minimum(1 / area)
        height, width = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
        place = torch.rand(2, count, generator=generator)
        return torch.stack(((1 - height) * place[0], (1 - width) * place[1], height, width), dim=1)

    def latents(self, parameters: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch W"]:
        """Top, left, height, width, and the logarithm of the area."""
        return torch.cat((parameters, parameters[..., 2:].log().sum(dim=-1, keepdim=True)), dim=-1)

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        # Not kornia's crop_and_resize: it lines up the outermost pixels of box and image and not their edges, so that half of 32 px is
        # magnified by 31/15; and it solves a batch of equations, whose rounding a GPU may choose by the size of the batch.
        top, left, height, width = parameters.unbind(dim=1)
        return separable(images, interpolation(top, height, images.shape[2]), interpolation(left, width, images.shape[3]))

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        area = float(parameters[2] * parameters[3])
        return "" if area == 1 else f"crop {100 * area:.0f} %"


AUGMENTATION = Crop


def interpolation(start: Float[Tensor, " n"], extent: Float[Tensor, " n"], size: int) -> Float[Tensor, "n size size"]:
    """Matrices that stretch a stretch of ``size`` pixels, ``start`` and ``extent`` as fractions, to all ``size`` pixels, bilinearly. Pixel
    centres lie at halves, and what lies outside of the stretch is ignored, as if it had been cut out first.
    """
    pixels = torch.arange(size, dtype=torch.float32, device=start.device)
    within = (pixels + 0.5) * extent[:, None] - 0.5
    within = within.maximum(torch.zeros_like(within)).minimum((extent[:, None] * size - 1).clamp_(min=0))
    # Positions in whole steps make weights in whole steps.
    position = ((start[:, None] * size + within) * STEPS).round_().div_(STEPS).clamp_(0, size - 1)
    return torch.relu_(1 - (position[:, :, None] - pixels).abs_())
