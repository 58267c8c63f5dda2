"""From settings to augmentations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contextssl.config.data_settings import AugmentationSettings, DataSettings
from contextssl.data.augmentations.compose import Augmentations
from contextssl.errors import SettingsError

# Where no factors are named: the paper's first pair.
USUAL = ("crop", "blur")
# Which settings are an augmentation's own, by the name that it gives them.
RANGES: Mapping[str, Mapping[str, str]] = {
    "crop": {"area": "crop_area", "ratio": "crop_ratio"},
    "blur": {"sigma": "blur_sigma"},
    "color": {"brightness": "brightness", "contrast": "contrast", "saturation": "saturation", "hue": "hue"},
    "flip": {"chance": "flip_chance"},
    "rotate": {"degrees": "rotate_degrees"},
    "grayscale": {"chance": "grayscale_chance"},
}


def augmentations_of(settings: AugmentationSettings) -> Augmentations:
    """The augmentations that the settings name, for images of the shape that they name, if they do. Raises SettingsError for one that is unknown
    or named twice, and for ranges that cannot be.
    """
    factors = settings.factors if settings.factors is not None else list(USUAL)
    ranges = {name: {argument: getattr(settings, key) for argument, key in RANGES[name].items()} for name in factors if name in RANGES}
    for name in settings.augmentation_settings:
        if name in RANGES:
            raise SettingsError(f"augmentation_settings: {name} has settings of its own, {', '.join(RANGES[name].values())}")
    augmentations = Augmentations.named(factors, {**ranges, **settings.augmentation_settings})
    if isinstance(settings, DataSettings):
        augmentations = augmentations.for_images((settings.channels, settings.resolution, settings.resolution))
    numbers = (("centre", settings.latent_centre), ("scale", settings.latent_scale))
    given: dict[str, Any] = {name: tuple(map(float, each)) for name, each in numbers if each is not None}
    return replace(augmentations, **given)
