"""The features of a frozen encoder in place of views: from a store of them, which is made where it is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.data.feature_packing import pack_features
from contextssl.data.feature_store import FeatureStore, description_of, is_feature_store, open_features
from contextssl.data.journal import remove_journal
from contextssl.data.pairs import PairSource, ViewPairs
from contextssl.data.store import verify_of
from contextssl.data.stored import PATIENCE_SECONDS
from contextssl.data.views import ViewBank, Views
from contextssl.digest import digest_of
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.cache import own_code
from contextssl.models.frozen_encoder import FrozenEncoder
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.weights_mark import weights_fingerprint
from contextssl.system.device import chosen_device
from contextssl.system.distributed import is_first_process

SPLITS = ("train", "val", "test")
# Features that statistics are taken of at once.
ROWS = 1 << 16


def frozen_data(data: Data, model: ViewEncoder, settings: TrainSettings) -> Data:
    """The data with features in place of every view, each encoded once; the model's features are from now on standardised by those of the training
    split. Features that a user brings stay as they are.

    Raises:
        SettingsError: for views that are not the same each time they are asked for.
        DataError: as of :func:`~contextssl.data.feature_packing.pack_features` and :func:`~contextssl.data.feature_store.open_features`.
    """
    frozen = _frozen(model)
    if frozen.encoder is not None:
        banks = banks_of(data, settings)
        store = _store_of(data, banks, model, settings)
        pairs: dict[str, Any] = {split: _pairs(data.split(split), bank, store, split) for split, bank in banks.items()}
        data = replace(data, **pairs, description={**data.description, "features": store.fingerprint})
    if not isinstance(data.train.views, Views):
        raise SettingsError(
            f"features are read from contextssl.Views, not from {type(data.train.views).__name__}: give an encoder of those views"
        )
    frozen.standardise(*feature_statistics(data.train.views))
    return data


def stored_features(
    data: Data, model: ViewEncoder, settings: TrainSettings, features_dir: str | None
) -> tuple[dict[ViewBank, Views], str | None]:
    """By each bank of stored images the same views as features, and the fingerprint of their store; nothing where the encoder is not frozen, or that
    store is not there. Photos are evaluated by other augmentations than those that are stored.
    """
    if not settings.freeze or not isinstance(model.encoder, FrozenEncoder) or not isinstance(data.train.views, Views):
        return {}, None
    if data.train.views.holds_features:
        return {}, None
    banks = banks_of(data, settings)
    description = _description(data, banks, model, settings)
    folder = _folder(data, description, features_dir)
    if not is_feature_store(folder):
        return {}, None
    store = open_features(folder, description, verify_of(settings))
    found: dict[ViewBank, Views] = {}
    for split, bank in banks.items():
        if isinstance(bank, Views):
            found[bank] = replace(bank, images=store.features[split], checks=store.checks.get(split))
    return found, store.fingerprint


def banks_of(data: Data, settings: TrainSettings) -> dict[str, ViewBank]:
    """The views of each split that are encoded: those that are stored, or of photos fixed augmentations."""
    found = {split: source for split in SPLITS if (source := getattr(data, split)) is not None}
    return {split: _bank(source, split, settings) for split, source in found.items()}


def feature_statistics(views: Views) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each number of features over all views, (F,) each."""
    views.check(np.arange(views.num_items))
    flat = views.images.reshape(-1, views.images.shape[2])
    sums, squares = torch.zeros(2, flat.shape[1], dtype=torch.float64)
    shift = torch.from_numpy(flat[0].astype("float64"))
    for start in range(0, len(flat), ROWS):
        rows = torch.from_numpy(flat[start : start + ROWS].astype("float64")) - shift
        sums, squares = sums + rows.sum(0), squares + rows.square().sum(0)
    mean = sums / len(flat)
    deviation = (squares / len(flat) - mean.square()).clamp(min=0).sqrt()
    return (mean + shift).float(), deviation.float()


def _frozen(model: ViewEncoder) -> FrozenEncoder:
    assert isinstance(model.encoder, FrozenEncoder)
    return model.encoder


def _bank(source: PairSource, split: str, settings: TrainSettings) -> ViewBank:
    views = source.views
    if isinstance(views, Views):
        return views
    if hasattr(views, "photos"):
        # Of augmentations, which alone need kornia.
        from contextssl.data.augmented import AugmentedViews
        from contextssl.data.photo_versions import PhotoVersions

        if isinstance(views, AugmentedViews):
            return PhotoVersions.of(views, settings.frozen_views, split)
    raise SettingsError(
        f"freeze=true encodes views once, and {type(views).__name__} makes them anew: leave freeze out, or store them as contextssl.Views"
    )


def _pairs(source: PairSource, bank: ViewBank, store: FeatureStore, split: str) -> PairSource:
    """Pairs of stored features in place of a source of images."""
    features = store.features[split]
    if isinstance(bank, Views):
        pairs: PairSource = replace(source, views=replace(bank, images=features, checks=store.checks.get(split)))  # type: ignore[type-var]
        return pairs
    from contextssl.data.photo_versions import PhotoVersions

    assert isinstance(bank, PhotoVersions)
    return ViewPairs(bank.as_features(features, store.latents[split], store.checks.get(split)))


def _store_of(data: Data, banks: Mapping[str, ViewBank], model: ViewEncoder, settings: TrainSettings) -> FeatureStore:
    """The store of the views' features, made first where it is missing; in a distributed run the first process encodes and the others wait."""
    description = _description(data, banks, model, settings)
    folder = _folder(data, description, settings.features_dir)
    if is_first_process() and not is_feature_store(folder):
        versions = description["made_from"]["versions"] is not None
        home = model.device
        pack_features(
            folder, banks, description, _encode(model.to(chosen_device(settings.accelerator))), latents=versions, progress=settings.progress
        )
        model.to(home)
    elif is_first_process():
        remove_journal(folder)
    began = time.monotonic()
    while not is_feature_store(folder):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise DataError(f"the first process did not finish {folder}: encode the views before a distributed run")
        time.sleep(1)
    return open_features(folder, description, verify_of(settings))


def _description(data: Data, banks: Mapping[str, ViewBank], model: ViewEncoder, settings: TrainSettings) -> dict[str, Any]:
    """What a store of these features is of."""
    encoder = _frozen(model).encoder
    assert encoder is not None
    views = {bank.num_views for bank in banks.values()}
    if len(views) > 1:
        raise DataError(
            f"the splits have {' and '.join(map(str, sorted(views)))} views of each item: freeze=true needs equally many in all"
        )
    splits, begin = {}, 0
    for split, bank in banks.items():
        splits[split] = (begin, begin + bank.num_items)
        begin += bank.num_items
    statistics = [None if each is None else each.flatten().tolist() for each in (model.image_mean, model.image_std)]
    made_from = {
        "images": data.description.get("fingerprint") or digest_of([bank.digest() for bank in banks.values()]),
        "encoder": digest_of([weights_fingerprint(encoder), digest_of(repr(encoder)), own_code(encoder.modules())]),
        "normalisation": statistics,
        "versions": getattr(banks["train"], "description", None),
    }
    plain: dict[str, Any] = json.loads(json.dumps(description_of((begin, views.pop(), model.feature_width), splits, made_from)))
    return plain


def _folder(data: Data, description: Mapping[str, Any], features_dir: str | None) -> Path:
    if features_dir is not None:
        return Path(features_dir)
    path = Path(str(data.description.get("path", "datasets/own")))
    return path.with_name(f"{path.name}-features-{digest_of(description['made_from'])[:8]}")


def _encode(model: ViewEncoder) -> Callable[[Tensor], Tensor]:
    """From images to what the encoder makes of them, before that is standardised."""
    frozen = _frozen(model)

    def encode(images: Tensor) -> Tensor:
        images = images.to(model.device)
        if images.ndim == 4 and images.shape[1] > 1:
            images = images.contiguous(memory_format=torch.channels_last)
        return frozen.unstandardised(model.normalise(images))

    return encode
