"""Gaussian blur."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.augmentations.augmentation import STEPS, Augmentation, checked_range, precise, separable, uniform


@dataclass(frozen=True)
class Blur(Augmentation):
    """A Gaussian blur of standard deviation σ, in pixels; σ = 0 leaves the image as it is.

    The kernel reaches three times the largest σ to each side, the same for every σ of the range; beyond the edges the image is mirrored
    about its outermost pixels. σ is drawn evenly from the range ``sigma``; SettingsError for one the wrong way round, negative or beyond 20.
    """

    name: ClassVar = "blur"
    place: ClassVar = 5
    parameters: ClassVar = ("σ",)
    identity: ClassVar = (0.0,)

    sigma: tuple[float, float] = (0.1, 2.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", checked_range("blur sigma", self.sigma, 0.0, 20.0))

    @property
    def radius(self) -> int:
        """How many pixels the kernel reaches to each side."""
        return math.ceil(3 * self.sigma[1])

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        return uniform(count, self.sigma, generator)[:, None]

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        # Not kornia's gaussian_blur2d, which is no faster: a GPU convolves in TF32 by default, and in an order that it
        # chooses by the number of images. Nor does kornia take σ = 0, or an image smaller than half the kernel.
        weights = half_gaussian(parameters[:, 0], self.radius)
        height, width = images.shape[2:]
        matrices = {size: (weights @ mirrored_taps(size, self.radius, weights.device)).view(-1, size, size) for size in {height, width}}
        return separable(images, matrices[height], matrices[width])

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        sigma = float(parameters[0])
        return f"blur σ {sigma:.1f}" if sigma else ""


AUGMENTATION = Blur


def half_gaussian(sigma: Float[Tensor, " n"], radius: int) -> Float[Tensor, "n taps"]:
    """Weights of a Gaussian kernel at distances 0 to ``radius``, in whole multiples of 1/STEPS; both sides add up to one with the middle."""
    distance = torch.arange(radius + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (distance / precise(sigma).clamp(min=1e-3)[:, None]).square())
    weights = weights / (2 * weights.sum(dim=1, keepdim=True) - 1)
    steps = (weights * STEPS).round_().to(torch.float32)
    # The middle takes what rounding left over, so that a plain surface stays as it is.
    steps[:, 0] = STEPS - 2 * steps[:, 1:].sum(dim=1)
    return steps / STEPS


@lru_cache(maxsize=16)
def mirrored_taps(size: int, radius: int, device: torch.device) -> Float[Tensor, "taps pixels"]:
    """(radius + 1, size · size): how often pixel j is counted for pixel i at each distance, mirrored beyond the edges. Times the weights of
    a kernel it is the matrix of the blur along one axis.
    """
    offsets = torch.arange(-radius, radius + 1)
    period = max(2 * (size - 1), 1)
    seen = (torch.arange(size)[:, None] + offsets) % period
    seen = seen.minimum(period - seen) if size > 1 else torch.zeros_like(seen)
    taps = torch.zeros(radius + 1, size, size)
    i = torch.arange(size)[:, None].expand_as(seen)
    taps.index_put_((offsets.abs().expand_as(seen), i, seen), torch.ones(()), accumulate=True)
    return taps.view(radius + 1, size * size).to(device)
