"""Photos from a store, each view an augmentation of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contextssl.config.data_settings import AugmentationSettings, DataSettings
from contextssl.data.dataset import Data
from contextssl.data.opened import data_of
from contextssl.data.pairs import PairSource
from contextssl.data.source import ItemSource
from contextssl.data.store import Store
from contextssl.digest import digest_of
from contextssl.errors import DataError
from contextssl.randomness import derive_seed

if TYPE_CHECKING:
    from contextssl.data.augmentations.compose import Augmentations


def folder_of(source: ItemSource, name: str, settings: DataSettings) -> Path:
    """Where the store of photos goes: next to the rendered data sets, never into the user's own folder; one for each folder of images and choice
    of settings. What was in that folder when they were packed is compared, since the name does not say it.
    """
    choice = {key: value for key, value in source.description.items() if key not in ("files", "items", "skipped")}
    return Path("datasets") / f"{name}-{settings.resolution}px-{digest_of(choice)[:8]}"


def augmentations_named(settings: AugmentationSettings) -> Augmentations:
    """The augmentations of photos that the settings name. Raises SettingsError as of :func:`~contextssl.data.augmentation_settings.augmentations_of`,
    and DataError where what they need is not installed.
    """
    try:
        from contextssl.data.augmentation_settings import augmentations_of
    except ImportError as error:
        raise DataError("augmentations need kornia: pip install 'contextssl[photos]'") from error
    return augmentations_of(settings)


def augmented(store: Store, settings: DataSettings) -> Data:
    """Pairs of augmentations of a store's images."""
    if store["train"].num_views != 1 or store.factors.names:
        raise DataError(
            f"{store.path} holds {store['train'].num_views} views per item with the factors {', '.join(store.factors.names) or 'none'}, not single "
            "images to augment: say dataset=shapes or dataset=3diebench"
        )
    augmentations = augmentations_named(settings)
    from contextssl.data.augmented import AugmentedPairs, AugmentedViews, made_by

    def pairs(split: str) -> PairSource:
        return AugmentedPairs(AugmentedViews(store[split], augmentations, settings.eval_views, derive_seed(0, "augmented", split)))

    data = data_of(store, settings, pairs)
    made = digest_of([store.fingerprint, *made_by(augmentations), settings.eval_views])
    return replace(data, description={**data.description, "fingerprint": made, "augmentations": augmentations.description})
