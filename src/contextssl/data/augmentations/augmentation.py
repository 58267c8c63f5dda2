"""What an augmentation is: parameters, drawn apart from the images, and a pure function of images and parameters.

So a view can be made again from its numbers alone, and the difference between the numbers of two views is the action that leads from one to
the other. Every part of ``apply`` treats an image the same, whatever its place in a batch, to the last bit: an elementwise operation does so by
itself, a sum does where it is exact (:func:`separable`, :func:`mean_level`), since then no order of adding matters.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.factors import Factor

# An image in whole numbers from 0 to UNITS, 16 to each of the 255 levels of uint8, times weights in whole STEPS: every product, and every
# sum of products whose weights add up to one, is a whole number below 2²⁴, and so exact in float32.
UNITS = 4080
STEPS = 4096


@dataclass(frozen=True)
class Augmentation(ABC):
    """One way to change an image, determined by P numbers. Subclasses are frozen dataclasses whose fields are the ranges of the draws.

    Attributes:
        name: the factor's name, such as ``"crop"``.
        place: among those that are applied one after the other. First comes what moves pixels, since a blur before a crop would be magnified with
            it and its σ no longer be one in pixels of the view; then colours; then the blur. A user's own come after ours, as they are listed.
        parameters: names of the P numbers that determine what is done.
        identity: the P numbers that change nothing.
        components: names of the W numbers that are its latents; default: those of the parameters.
    """

    name: ClassVar[str]
    place: ClassVar[int] = 100
    parameters: ClassVar[tuple[str, ...]]
    identity: ClassVar[tuple[float, ...]]
    components: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        """Parameters for ``count`` images, (n, P) float32 on the CPU, where ``generator`` is."""

    @abstractmethod
    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        """Images (n, C, H, W), values 0 to 1, C 1 or 3, changed by a row of parameters each; of the same shape, device and dtype."""

    @abstractmethod
    def words(self, parameters: Float[Tensor, " P"]) -> str:
        """What these parameters do, such as ``"blur σ 1.4"``; empty where they change nothing."""

    def latents(self, parameters: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch W"]:
        """The latents, unscaled; the parameters themselves unless a subclass says otherwise."""
        return parameters

    def for_images(self, shape: tuple[int, int, int]) -> Augmentation:
        """The same for images (C, H, W), where what it draws depends on them."""
        return self

    @property
    def factor(self) -> Factor:
        """The block that this augmentation fills in latents and actions."""
        components = self.components or self.parameters
        return Factor(self.name, len(components), components=components)

    @property
    def ranges(self) -> dict[str, Any]:
        """The ranges of the draws as plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True)
class Switched(Augmentation):
    """An augmentation that is applied to an image with the probability ``chance``, 0 to 1, or SettingsError is raised; its one parameter is named
    by what the image then is.
    """

    identity: ClassVar = (0.0,)

    chance: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "chance", checked_number(f"{self.name} chance", self.chance, 0.0, 1.0))

    @abstractmethod
    def changed(self, images: Float[Tensor, "n C H W"]) -> Float[Tensor, "n C H W"]:
        """All of the images with it applied."""

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        return (torch.rand(count, 1, generator=generator) < self.chance).float()

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        return torch.where(per_image(parameters[:, 0]) > 0.5, self.changed(images), images)

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        return self.parameters[0] if parameters[0] > 0.5 else ""


def uniform(count: int, ends: tuple[float, float], generator: torch.Generator) -> Float[Tensor, " n"]:
    """Evenly spread numbers between two ends, (n,) float32 on the CPU."""
    low, high = ends
    # Rounding can carry the largest draws a bit over the end.
    return torch.empty(count).uniform_(low, high, generator=generator).clamp_(low, high)


def checked_range(setting: str, ends: Any, least: float, most: float) -> tuple[float, float]:
    """A range given by a user as (low, high). Raises SettingsError where it is not two finite numbers, is the wrong way round, or leaves
    ``least`` to ``most``.
    """
    if not (isinstance(ends, Sequence) and len(ends) == 2 and all(map(_is_number, ends))):
        raise SettingsError(f"{setting} must be two numbers, low and high, not {ends!r}")
    low, high = (float(end) for end in ends)
    if low > high:
        raise SettingsError(f"{setting} is the wrong way round: write ({high:g}, {low:g}), not ({low:g}, {high:g})")
    if low < least or high > most:
        bounds = f"lie within {least:g} to {most:g}" if math.isfinite(most) else f"start at {least:g} or above"
        raise SettingsError(f"{setting}=({low:g}, {high:g}) must {bounds}")
    return low, high


def checked_number(setting: str, value: Any, least: float, most: float) -> float:
    """A number given by a user. Raises SettingsError where it is not a finite number within ``least`` to ``most``."""
    if not _is_number(value) or not least <= value <= most:
        raise SettingsError(f"{setting} must be a number from {least:g} to {most:g}, not {value!r}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def precise(parameters: Tensor) -> Tensor:
    """Parameters in float64 where the device has it. Of functions such as ``exp`` the last bit may depend on the place in a batch, and what is
    rounded to float32 or coarser afterwards does not.
    """
    return parameters if parameters.device.type == "mps" else parameters.double()


def per_image(numbers: Float[Tensor, " n"]) -> Float[Tensor, "n 1 1 1"]:
    """One number per image, as what multiplies images."""
    return numbers[:, None, None, None]


def mean_level(gray: Float[Tensor, "n 1 H W"]) -> Float[Tensor, "n 1 1 1"]:
    """Each image's mean, added up in whole UNITS: the order in which a sum of floats is taken may depend on the batch."""
    total = (gray * UNITS).round_().to(torch.int32).sum(dim=(1, 2, 3), dtype=torch.int64)
    return per_image(total.float() / (gray[0].numel() * UNITS))


def separable(images: Float[Tensor, "n C H W"], rows: Float[Tensor, "n H H"], columns: Float[Tensor, "n W W"]) -> Float[Tensor, "n C H W"]:
    """``rows`` · image · ``columns``ᵀ for each image and channel: any resampling that treats rows and columns apart.

    At 32 px products with small dense matrices take a CPU no longer than a convolution. The libraries that do them are free to choose their
    order of adding by the size of the batch; in whole numbers every order gives the same bits. It costs 1/32 of a level at most each time an
    image is rounded to UNITS: before, and between the two products.

    Args:
        images: (n, C, H, W) float32, values 0 to 1.
        rows: (n, H, H), whole multiples of 1/STEPS, none negative; each row of a matrix adds up to one.
        columns: (n, W, W), the same.
    """
    n, channels, height, width = images.shape
    x = (images.permute(0, 2, 1, 3) * UNITS).round_().reshape(n, height * channels, width)
    x = torch.bmm(x, columns.transpose(1, 2)).round_()
    x = torch.bmm(rows, x.view(n, height, channels * width)).div_(UNITS)
    return x.view(n, height, channels, width).permute(0, 2, 1, 3)
