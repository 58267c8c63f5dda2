"""Transformations as changes of images: which are measured, and that each changes every image."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("kornia")

import numpy as np

from contextssl.data.augmentations.compose import Augmentations
from contextssl.data.augmented import AugmentedViews
from contextssl.data.views import Views
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.transformations import USUAL, images_of, transformations_of
from contextssl.factors import FactorSpace
from tests.evaluation.tiny import generator, views_of

SIDE = 8


def photos(items: int = 12, channels: int = 3, factors: tuple[str, ...] = ("crop", "color")) -> AugmentedViews:
    images = np.random.default_rng(0).integers(0, 256, (items, 1, SIDE, SIDE, channels), dtype=np.uint8)
    names = [str(index) for index in range(items)]
    stored = Views(images, np.zeros((items, 1, 0), np.float32), np.zeros(items, np.int64), FactorSpace(()), ("photo",), names)
    return AugmentedViews(stored, Augmentations.named(factors, {"crop": {"area": (0.3, 0.4)}} if "crop" in factors else {}), num_views=4)


def test_those_that_training_varied_come_last_with_its_ranges() -> None:
    found = transformations_of(photos())
    named = [name.removeprefix("kornia:") for name in USUAL if name not in ("crop", "color")]
    assert [each.title for each in found] == [*named, "crop (trained)", "color (trained)"]
    assert [each.trained for each in found] == [False] * len(named) + [True, True]
    assert found[-2].augmentations.augmentations[0].ranges["area"] == [0.3, 0.4]
    few = transformations_of(photos(), ["kornia:RandomInvert", "crop", "flip"])
    assert [each.title for each in few] == ["RandomInvert", "flip", "crop (trained)", "color (trained)"], (
        "one that was trained is named once"
    )
    assert [each.title for each in transformations_of(photos(), [])] == ["crop (trained)", "color (trained)"]


def test_stored_views_have_no_control() -> None:
    views = views_of()
    assert [each.trained for each in transformations_of(views, ["color", "blur"])] == [False, False]
    shown = images_of(views, torch.arange(6), generator())
    assert shown.shape == (6, 3, SIDE, SIDE) and shown.dtype == torch.uint8
    assert any(torch.equal(shown[0], views.gather_views(torch.tensor([0]), torch.tensor([view]))[0]) for view in range(5))


def test_of_photos_the_images_themselves_are_transformed() -> None:
    views = photos()
    assert torch.equal(images_of(views, torch.tensor([3, 1]), generator()), views.photographed(torch.tensor([3, 1])))


@pytest.mark.parametrize("name", USUAL)
def test_every_image_is_changed_and_the_same_draw_comes_again(name: str) -> None:
    (each,) = transformations_of(photos(factors=("blur",) if name != "blur" else ("crop",)), [name])[:1]
    images = images_of(photos(60), torch.arange(60), generator())
    made = each.changed(images, generator())
    assert torch.equal(made, each.changed(images, generator())) and made.dtype == torch.uint8
    untouched = (made == images).flatten(1).all(dim=1)
    # A threshold, a blur or an order of channels may leave a few images of noise as they are.
    assert int(untouched.sum()) <= (0 if name in ("crop", "flip", "rotate", "grayscale", "kornia:RandomInvert") else 20)


def test_a_flip_is_a_flip() -> None:
    images = images_of(photos(), torch.arange(12), generator())
    (flip,) = transformations_of(photos(), ["flip"])[:1]
    assert torch.equal(flip.changed(images, generator()), images.flip(-1))


def test_ranges_are_given_and_what_cannot_be_is_refused() -> None:
    (solarize, *_) = transformations_of(photos(), ["kornia:RandomSolarize"], {"RandomSolarize": {"thresholds": [0.1, 0.2]}})
    assert solarize.augmentations.augmentations[0].ranges["thresholds"] == [0.1, 0.2]
    with pytest.raises(SettingsError, match="transformation_settings holds 'crop', which keeps the ranges"):
        transformations_of(photos(), ["flip"], {"crop": {"area": [0.5, 1]}})
    with pytest.raises(SettingsError, match=r"unknown augmentation 'greyscale'.*grayscale"):
        transformations_of(photos(), ["greyscale"])
    with pytest.raises(SettingsError, match="transformations is empty: name at least one"):
        transformations_of(views_of(), [])
    never = transformations_of(photos(), ["flip"], {"flip": {"chance": 0.0}})[0]
    with pytest.raises(DataError, match="'flip' has one value in all draws"):
        never.changed(images_of(photos(), torch.arange(12), generator()), generator())
