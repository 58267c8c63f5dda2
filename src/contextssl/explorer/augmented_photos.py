"""A user's photos under the augmentations that a model was trained with: the examples that are ready, and, if wanted, views to look among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from contextssl.config.settings import TrainSettings
from contextssl.data.augmented import AugmentedPairs, AugmentedViews
from contextssl.data.photos import augmentations_named
from contextssl.data.views import Views
from contextssl.explorer.kinds import MOST_PAIRS, Kind, kinds_of
from contextssl.explorer.shown_views import ShownViews, spread, views_of_bank
from contextssl.factors import Environment, FactorSpace


def augmented_photos(photos: ShownViews, trained: TrainSettings, views: int, seed: int) -> AugmentedPairs:
    """Photos as items, each with itself and ``views - 1`` augmentations of it as its views. Raises SettingsError for augmentations that cannot be
    made, DataError where what they need is not installed.
    """
    images = photos.images.permute(0, 2, 3, 1).numpy()[:, None]
    channels, height, width = photos.images.shape[1:]
    augmentations = augmentations_named(trained).for_images((channels, height, width))
    items = Views(
        images=images,
        latents=np.zeros((len(images), 1, 0), np.float32),
        labels=photos.labels.numpy(),
        factors=FactorSpace(()),
        class_names=tuple(photos.class_names),
        item_names=list(photos.captions),
    )
    return AugmentedPairs(AugmentedViews(items, augmentations, views, seed))


def kinds_of_photos(photos: ShownViews, trained: TrainSettings, environments: Sequence[Environment], pairs: int, seed: int) -> list[Kind]:
    """Ready examples of each environment: two augmentations of one photo each."""
    few = chosen(photos, MOST_PAIRS)
    return kinds_of(augmented_photos(few, trained, 2, seed), environments, min(pairs, len(few)), seed)


def shown_augmented(photos: ShownViews, trained: TrainSettings, views: int, per_photo: int, seed: int) -> ShownViews:
    """About ``views`` views to look among: photos and ``per_photo`` augmentations of each."""
    few = chosen(photos, max(2, views // (per_photo + 1)))
    return views_of_bank(augmented_photos(few, trained, per_photo + 1, seed).views, "val", len(few) * (per_photo + 1), seed)


def chosen(photos: ShownViews, most: int) -> ShownViews:
    """``most`` of the photos at most, spread evenly."""
    rows = torch.tensor(spread(len(photos), most))
    captions = [photos.captions[row] for row in rows.tolist()]
    return replace(photos, images=photos.images[rows], captions=captions, items=torch.arange(len(rows)), labels=photos.labels[rows])
