"""From a store, or a source that is packed first, to data; rendered objects, their latents divided into factors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data
from contextssl.data.pairs import PairSource, ViewPairs
from contextssl.data.published_latents import divides, factors_named
from contextssl.data.shapes.view_grid import ViewGrid
from contextssl.data.source import ItemSource
from contextssl.data.splits import OOD
from contextssl.data.store import Store, verify_of
from contextssl.data.stored import stored
from contextssl.data.views import Views
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
    return stored(
        source, folder, settings.resolution, workers=workers_of(settings), progress=progress, beside=beside, verify=verify_of(settings)
    )


def workers_of(settings: DataSettings) -> int | None:
    """As many processes as draw the run's batches; None, one per processor, where it is -1 or not among the settings."""
    workers: int = getattr(settings, "workers", -1)
    return workers if workers >= 0 else None


def data_of(store: Store, settings: DataSettings, pairs: Callable[[str], PairSource] | None = None) -> Data:
    """The data of a store, with the ``pairs`` of a split (default: of its stored views). Raises DataError where it lacks a split, or its images
    have another resolution.
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


def rendered(
    store: Store, settings: DataSettings, ood: Callable[[], Store] | None = None, of: Callable[[Views], ViewPairs] = ViewPairs
) -> Data:
    """Pairs of a store's views, their latents divided into factors as the settings name them; and as the split ``ood`` those of another store's,
    which is opened, or made, when they are asked for. Raises SettingsError where the latents cannot be divided so, and DataError as of
    :func:`data_of`.

    Args:
        of: makes pairs of views.
    """
    made_from = store.manifest.get("source") or {}
    grid = made_from.get("grid") if made_from.get("kind") == "shapes" else None

    def pairs(views: Views) -> ViewPairs:
        factors = _divided(views.factors, settings.factors, grid is not None, str(store.path))
        return of(views if factors == views.factors else replace(views, factors=factors))

    data = data_of(store, settings, lambda split: pairs(store[split]))
    if ood is not None:
        data = replace(data, more={OOD: partial(_unseen, ood, store, pairs)})
    if data.train.factors == store.factors:
        return data
    return replace(data, description={**data.description, "fingerprint": digest_of([store.fingerprint, data.train.factors.to_dict()])})


def _unseen(opened: Callable[[], Store], beside: Store, pairs: Callable[[Views], ViewPairs]) -> ViewPairs:
    """Pairs of the split ``ood`` of a store. Raises DataError where its views have other factors than those that it is to be evaluated beside."""
    other = opened()
    if other.factors != beside.factors:
        raise DataError(
            f"{other.path} holds views with the factors {', '.join(other.factors.names)}, and {beside.path} with {', '.join(beside.factors.names)}: "
            "a run is evaluated on views that were made as those that it was trained on"
        )
    return pairs(other[OOD])


def foreseen_of_objects(
    settings: DataSettings, made: FactorSpace, grid: Mapping[str, int] | None = None
) -> tuple[FactorSpace, tuple[int, ...]]:
    """The factors of rendered objects that are ``made`` with these, or with a ``grid`` of values of each, and the shape of a view, (3, H, W).
    Raises SettingsError for factors that cannot be.
    """
    made = made if grid is None else ViewGrid(grid).factors
    return _divided(made, settings.factors, grid is not None, "the grid"), (3, settings.resolution, settings.resolution)


def _divided(made: FactorSpace, names: Sequence[str] | None, on_grid: bool, what: str) -> FactorSpace:
    """The factors of these names, out of those that objects were rendered with, which ``what`` has, for messages. Of views ``on_grid`` both hues
    of a color change together, and are no factors of their own.
    """
    if names is None or tuple(names) == made.names:
        return made
    said = f"factors=[{','.join(names)}]"
    if not on_grid:
        if not divides(made):
            raise SettingsError(
                f"{what} has the factors {', '.join(made.names) or 'none'}, which factors=[…] cannot divide: leave factors out"
            )
        return factors_named(names, made)
    if "color" in made.names and ("floor" in names or "light" in names):
        raise SettingsError(
            f"{said}: on a grid of color both hues change together, so floor and light are no factors of their own: "
            "leave factors out, or render a grid of floor and light"
        )
    raise SettingsError(f"{said}: {what} has the factors {', '.join(made.names)}, in this order: name these, or leave factors out")
