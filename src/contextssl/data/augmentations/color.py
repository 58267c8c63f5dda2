"""Colour jitter: brightness, contrast, saturation, hue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from kornia.color import rgb_to_grayscale
from kornia.enhance import adjust_brightness_accumulative
from torch import Tensor

from contextssl.data.augmentations.augmentation import Augmentation, checked_number, mean_level, per_image, uniform


@dataclass(frozen=True)
class Color(Augmentation):
    """Brightness, contrast, saturation and hue, changed in this order; on grey images the last two do nothing.

    The first three are factors as in torchvision's ColorJitter: towards black, towards the image's mean grey, towards each pixel's grey; hue
    is a part of a full turn. torchvision changes the order at random, which the parameters here do not record.

    Args:
        brightness, contrast, saturation: each factor is drawn evenly from 1 - this to 1 + this; SettingsError unless 0 to 1.
        hue: drawn evenly from -this to this, in turns; SettingsError unless 0 to 0.5.
    """

    name: ClassVar = "color"
    place: ClassVar = 3
    parameters: ClassVar = ("brightness", "contrast", "saturation", "hue")
    identity: ClassVar = (1.0, 1.0, 1.0, 0.0)

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1

    def __post_init__(self) -> None:
        for name in self.parameters:
            most = 0.5 if name == "hue" else 1.0
            object.__setattr__(self, name, checked_number(f"color {name}", getattr(self, name), 0.0, most))

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        spreads = zip(self.identity, (self.brightness, self.contrast, self.saturation, self.hue), strict=True)
        return torch.stack([uniform(count, (usual - spread, usual + spread), generator) for usual, spread in spreads], dim=1)

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        brightness, contrast, saturation, hue = parameters.unbind(dim=1)
        images = adjust_brightness_accumulative(images, brightness)
        if images.shape[1] == 1:
            return blend(images, mean_level(images), contrast)
        images = blend(images, mean_level(rgb_to_grayscale(images)), contrast)
        return turn_hue(blend(images, rgb_to_grayscale(images), saturation), hue)

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        *factors, hue = parameters.tolist()
        words = [f"{name} {value:.2f}" for name, value in zip(self.parameters, factors, strict=False) if value != 1]
        return ", ".join([*words, f"hue {360 * hue:+.0f}°"] if hue else words)


AUGMENTATION = Color


def blend(images: Float[Tensor, "n C H W"], grey: Float[Tensor, "n 1 #H #W"], factor: Float[Tensor, " n"]) -> Float[Tensor, "n C H W"]:
    """The image at a factor of 1, the grey at 0, in a line through both. kornia has no such function for a mean that is the same in every
    batch, and its blend with each pixel's grey makes more copies.
    """
    kept = per_image(factor)
    return (images * kept).add_(grey * (1 - kept)).clamp_(0, 1)


def turn_hue(images: Float[Tensor, "n 3 H W"], turns: Float[Tensor, " n"]) -> Float[Tensor, "n 3 H W"]:
    """Hue turned in HSV space, as torchvision's and kornia's adjust_hue do, in a tenth of their time on a CPU.

    With the channels scaled so that a pixel's least is 0 and its greatest 1, the hue in sixths of a turn, -3 to 3 with red at 0, is
    ±(1 + g + b - r), positive where g > b; and a channel is 2 less the hue's distance from the channel's own (red 0, green 2, blue -2),
    clamped to 0 and 1. So there are no six cases to distinguish, which is slowest on a CPU.
    """
    low, high = images.amin(dim=1, keepdim=True), images.amax(dim=1, keepdim=True)
    chroma = high - low
    red, green, blue = images.split(1, dim=1)
    # Of a grey pixel the first factor is 0.
    hue = (high - 2 * low + green + blue - red).div_(chroma.clamp(min=1e-6)).copysign_(green - blue)
    own = torch.tensor([0.0, 2.0, -2.0], device=images.device).view(1, 3, 1, 1)
    distance = (hue + per_image(6 * turns) - own).abs_()
    # Round the circle of six sixths: none of these is above 8.
    distance = distance.minimum((distance - 6).abs_())
    return distance.neg_().add_(2).clamp_(0, 1).mul_(chroma).add_(low)
