"""Errors in the settings that building the model would raise, found before the data are packed, which may take hours."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from contextssl.config.settings import TrainSettings
from contextssl.data.environments import environments_of
from contextssl.data.stored import is_store
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError
from contextssl.models.build import build_model
from contextssl.randomness import without_values
from contextssl.training.encoder_start import EncoderStart


def dry_run(settings: TrainSettings, own_encoder: bool = False, start: EncoderStart | None = None) -> None:
    """Builds the environments and the model of a run before its data are opened, without memory for the weights; the user's own encoder is checked
    when its views are there. Raises SettingsError for invalid environments, an unknown backbone, sizes that do not fit together, or the encoder of
    another run that takes images of another size.
    """
    foreseen = DATA_SETS.find(settings.dataset).foreseen
    # Only the store knows its factors.
    if foreseen is None or (settings.data_dir is not None and is_store(Path(settings.data_dir))):
        return
    factors, shape = foreseen(settings)
    environments_of(settings, factors)
    if start is not None:
        start.check_views(shape)
    if own_encoder:
        return
    # No weights are fetched, and labels need the views.
    plain = replace(settings, pretrained=False, weight_labels=0.0)
    try:
        with without_values():
            build_model(plain, factors, view_shape=shape, image_mean=None, image_std=None)
    except (SettingsError, RuntimeError, TypeError) as error:
        # A backbone that computes with its weights cannot be built without memory: its errors come when it is built.
        if not re.search(r"\bmeta (tensor|device)", str(error)):
            raise
