"""From a store, or a source that is packed first, to data; rendered objects, their latents divided into factors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data
from contextssl.data.pairs import PairSource, ViewPairs
from contextssl.data.source import ItemSource
from contextssl.data.store import Store
from contextssl.data.stored import stored
from contextssl.data.threediebench_folder import FACTORS, factors_named
from contextssl.digest import digest_of
from contextssl.errors import DataError, SettingsError
from contextssl.factors import FactorSpace
from contextssl.system.distributed import is_first_process


def saying(progress: bool) -> Callable[[str], None]:
    """A function that prints what takes a while, or is noteworthy, in the first process, where progress is shown."""

    def say(what: str) -> None:
        if progress and is_first_process():
            print(what, file=sys.stderr, flush=True)

    return say


def packed(source: ItemSource, folder: Path, settings: DataSettings, progress: bool, beside: bool) -> Store:
    """The store of a source; arguments and errors as of :func:`~contextssl.data.stored.stored`."""
    return stored(source, folder, settings.resolution, workers=workers_of(settings), progress=progress, beside=beside)


def workers_of(settings: DataSettings) -> int | None:
    """As many processes as draw the run's batches; None, one per processor, where it is -1 or not among the settings."""
    workers: int = getattr(settings, "workers", -1)
    return workers if workers >= 0 else None


def data_of(store: Store, settings: DataSettings, pairs: Callable[[str], PairSource] | None = None) -> Data:
    """The data of a store.

    Args:
        pairs: of a split; default: of its stored views.

    Raises:
        DataError: where it lacks a split, or its images have another resolution.
    """
    for split in ("train", "val"):
        if split not in store:
            raise DataError(f"{store.path} has no split {split!r} (it has {', '.join(store)}): pack a data set with train and val")
    shape = store["train"].view_shape
    if shape[1:] != (settings.resolution, settings.resolution):
        raise DataError(
            f"{store.path} holds images of {shape[2]} × {shape[1]} pixels, but resolution={settings.resolution}: "
            f"say resolution={shape[1]}, or pack another store"
        )
    of: Callable[[str], PairSource] = pairs if pairs is not None else lambda split: ViewPairs(store[split])
    return Data(
        train=of("train"),
        val=of("val"),
        test=of("test") if "test" in store else None,
        view_shape=shape,
        image_mean=store.image_mean,
        image_std=store.image_std,
        description={"path": str(store.path.absolute()), "fingerprint": store.fingerprint, "source": store.manifest.get("source")},
    )


def rendered(store: Store, settings: DataSettings) -> Data:
    """Pairs of a store's views, their latents divided into factors as the settings name them."""
    if settings.factors is None:
        return data_of(store, settings)
    factors = factors_named(settings.factors)
    if store.factors != FACTORS:
        raise SettingsError(
            f"{store.path} has the factors {', '.join(store.factors.names) or 'none'}, which factors=[…] cannot divide: leave factors out"
        )
    data = data_of(store, settings, lambda split: ViewPairs(replace(store[split], factors=factors)))
    fingerprint = store.fingerprint if factors == store.factors else digest_of([store.fingerprint, factors.to_dict()])
    return replace(data, description={**data.description, "fingerprint": fingerprint})


def foreseen_of_objects(settings: DataSettings) -> tuple[FactorSpace, tuple[int, ...]]:
    """The factors of rendered objects and the shape of a view, (3, H, W).

    Raises:
        SettingsError: for factors that cannot be.
    """
    factors = FACTORS if settings.factors is None else factors_named(settings.factors)
    return factors, (3, settings.resolution, settings.resolution)
