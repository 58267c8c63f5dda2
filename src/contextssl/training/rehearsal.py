"""What only the model or its environments would find wrong with the settings, found before the data are packed, which may take hours."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from contextssl.config.data_settings import PHOTOS, TABLES
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import augmentations_named
from contextssl.data.environments import environments_of
from contextssl.data.stored import is_store
from contextssl.data.threediebench import FACTORS, factors_named
from contextssl.errors import SettingsError
from contextssl.factors import FactorSpace
from contextssl.models.build import build_model
from contextssl.randomness import DrawingFrom, seeded_generator


def rehearse(settings: TrainSettings, own_encoder: bool = False) -> None:
    """Draws up the environments and the model of a run on data that are not open yet, without memory for its weights.

    Args:
        own_encoder: whether the encoder is the user's own, which is checked when its views are there.

    Raises:
        SettingsError: for environments that cannot be, an unknown backbone, sizes that do not go together.
    """
    # Tables are read in seconds, and a store alone knows its factors.
    if settings.dataset in TABLES or (settings.data_dir is not None and is_store(Path(settings.data_dir))):
        return
    factors = _factors(settings)
    environments_of(settings, factors)
    if own_encoder:
        return
    shape = (settings.channels if settings.dataset == "images" else 3, settings.resolution, settings.resolution)
    # No weights are fetched, and labels need the views.
    plain = replace(settings, pretrained=False, weight_labels=0.0)
    try:
        with torch.device("meta"), DrawingFrom(seeded_generator(settings.seed, "weights")):
            build_model(plain, factors, view_shape=shape, image_mean=None, image_std=None)
    except (SettingsError, RuntimeError, TypeError) as error:
        # A backbone that reads numbers while it is built cannot be drawn up without memory: what is wrong with it comes when it is built.
        if not re.search(r"\bmeta (tensor|device)", str(error)):
            raise


def _factors(settings: TrainSettings) -> FactorSpace:
    if settings.dataset in PHOTOS:
        return augmentations_named(settings).factors
    return FACTORS if settings.factors is None else factors_named(settings.factors)
