"""The user's photos under the augmentations that a model was trained with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contextssl.config.explorer_settings import ExploreSettings
from contextssl.errors import SettingsError
from contextssl.explorer.answers import Explorer
from contextssl.explorer.opening import open_explorer
from tests.sources import write_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"), count=6, side=40)


def explorer_of(photos: Path | None, **settings: object) -> Explorer:
    images = None if photos is None else str(photos)
    return open_explorer(ExploreSettings(model="photos", images=images, accelerator="cpu", progress=False, **settings))  # type: ignore[arg-type]


def test_examples_are_made_of_the_photos_that_are_given(photos: Path) -> None:
    explorer = explorer_of(photos)
    assert len(explorer.shown) == 12 and explorer.shown.factors is None, "the images as they are"
    kinds = {kind.name: kind for kind in explorer.kinds}
    assert kinds.keys() == {"rotate+blur+crop", "color+blur+crop", "color+rotate+crop", "color+rotate+blur"}
    assert all(len(kind.images) == 12 and not torch.equal(kind.images[:, 0], kind.images[:, 1]) for kind in kinds.values())
    # Two views of one photo that share its crop and its turn have more in common than with another photo.
    for name in ("rotate+blur+crop", "color+rotate+crop"):
        first, second = kinds[name].images.float().unbind(1)
        assert (first - second).abs().mean() < (first - second.roll(1, dims=0)).abs().mean()


def test_augmentations_of_the_photos_are_views_to_look_among(photos: Path) -> None:
    explorer = explorer_of(photos, augmented=3, views=24)
    shown = explorer.shown
    assert len(shown) == 24 and shown.latents is not None and shown.factors is not None
    assert shown.items.bincount().tolist() == [4] * 6
    assert "images in" in explorer.about and "3 augmentations of each" in explorer.about
    assert {"cat", "dog"} == {shown.class_of(row) for row in range(len(shown))}


def test_what_augmentations_need_is_said(photos: Path) -> None:
    with pytest.raises(SettingsError, match="augmented=3 is of your own images: name them by images=DIR"):
        explorer_of(None, augmented=3)
    with pytest.raises(SettingsError, match="needs a model that was trained with augmentations"):
        open_explorer(ExploreSettings(model="shapes", images=str(photos), augmented=3, views=12, accelerator="cpu", progress=False))
