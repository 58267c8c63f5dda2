"""From a store, or a source that is packed first, to data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data
from contextssl.data.pairs import PairSource, ViewPairs
from contextssl.data.source import ItemSource
from contextssl.data.store import Store
from contextssl.data.stored import stored
from contextssl.errors import DataError
from contextssl.system.distributed import is_first_process


def note(what: str, progress: bool) -> None:
    """A note on the terminal, of the first process, where progress is shown."""
    if progress and is_first_process():
        print(f"note: {what}", file=sys.stderr, flush=True)


def packed(source: ItemSource, folder: Path, settings: DataSettings, progress: bool, beside: bool) -> Store:
    """The store of a source; arguments and errors as of :func:`~contextssl.data.stored.stored`."""
    return stored(source, folder, settings.resolution, workers=workers_of(settings), progress=progress, beside=beside)


def workers_of(settings: DataSettings) -> int | None:
    """Of a run as many processes as draw its batches; None, one a processor, where -1 leaves them to be chosen or the settings have no such word."""
    workers: int = getattr(settings, "workers", -1)
    return workers if workers >= 0 else None


def data_of(store: Store, settings: DataSettings, pairs: Callable[[str], PairSource] | None = None) -> Data:
    """The data of a store.

    Args:
        pairs: of a split; of its stored views where left out.

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
