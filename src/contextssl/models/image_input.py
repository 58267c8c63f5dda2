"""What a model accepts as images: shape, dtype, range; and how uint8 ones are normalised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from contextssl.errors import InputError, SettingsError

# Normalised images are of order one; beyond this they are levels of 0 to 255.
LARGEST = 30.0
# Interpolation may take images a little beyond 0 to 1.
OVERSHOOT = 0.05


def check_statistics(mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Raises SettingsError for one without the other, other numbers of channels, or numbers that are not of images in 0 to 1."""
    if mean is None or std is None:
        if mean is not std:
            raise SettingsError("image_mean and image_std go together: give both or neither")
        return
    if len(mean) != len(std) or len(mean) == 0:
        raise SettingsError(f"image_mean has {len(mean)} numbers and image_std {len(std)}: give one of each for every channel")
    given = f"image_mean is {list(mean)}, image_std {list(std)}"
    if not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        raise SettingsError(f"{given}: every channel needs a finite mean and a positive deviation")
    if min(mean) < 0 or max(mean) > 1 or max(std) > 1:
        raise SettingsError(f"{given}: they are in units of 0 to 1, not of 0 to 255; divide them by 255")


def check_images(images: Tensor, mean: Tensor | None, std: Tensor | None) -> None:
    """Raises InputError for images of the wrong dtype, range, shape or channel order, or with numbers that are not finite.

    Args:
        mean, std: (C, 1, 1) of a model of images that has them; None of a model that takes floats as they are.
    """
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a tensor (n, C, H, W), not {type(images).__name__}")
    finite = images.dtype == torch.uint8 or bool(images.isfinite().all())
    if mean is None and images.ndim != 4:
        if not finite:
            raise InputError("inputs hold NaN or infinity: fix them before they reach the model")
        return
    if images.ndim != 4:
        raise InputError(f"images must have shape (n, C, H, W), not {tuple(images.shape)}: add a batch dimension to a single one")
    if mean is not None and images.shape[1] != len(mean):
        channels = len(mean)
        hint = " (they look channels last: permute(0, 3, 1, 2))" if images.shape[3] == channels else ""
        raise InputError(f"images have {images.shape[1]} channels in axis 1 where the model takes {channels}{hint}")
    if images.dtype == torch.uint8:
        return
    if not images.dtype.is_floating_point:
        raise InputError(f"images are {images.dtype}: give uint8 in 0 to 255, or normalised floats")
    if images.numel() == 0:
        return
    if not finite:
        raise InputError("images hold NaN or infinity: fix them before they reach the model")
    low, high = (float(bound) for bound in images.aminmax())
    if max(-low, high) > LARGEST:
        raise InputError("float images reach beyond ±30: they look like 0 to 255; give them as uint8, or normalised")
    if mean is not None and std is not None and _look_unnormalised(images, low, high, mean, std):
        raise InputError(
            f"float images lie in 0 to 1 ({low:.2f} to {high:.2f}), as torchvision's ToTensor gives them, and would be taken for normalised ones: "
            "pass uint8 images, or normalise these: images = (images - model.image_mean) / model.image_std"
        )


def _look_unnormalised(images: Tensor, low: float, high: float, mean: Tensor, std: Tensor) -> bool:
    """Whether float images lie in 0 to 1 as only images that were not normalised do: normalised ones lie there only where every pixel of the batch
    is in the narrow band from its channel's mean to one deviation above. So images without content (each channel of each image one number) pass,
    and all where black itself is normalised to nearly 0, as by mean 0 and deviation 1: then the two cannot be distinguished.
    """
    if low < -OVERSHOOT or high > 1 + OVERSHOOT or float((-mean / std).max()) >= -OVERSHOOT:
        return False
    planes = images.flatten(2)
    return bool((planes.amax(2) > planes.amin(2)).any())


def normalised(images: Tensor, mean: Tensor | None, std: Tensor | None) -> Tensor:
    """uint8 images → float, by channel means and deviations (C, 1, 1); float inputs as they are. Raises InputError for uint8 images where those
    are not known.
    """
    if images.dtype != torch.uint8:
        return images
    if mean is None or std is None:
        raise InputError(
            "this model has no statistics to normalise uint8 images by: give it image_mean and image_std, or normalised floats"
        )
    return torch.addcmul(-mean / std, images.float(), 1 / (255 * std))
