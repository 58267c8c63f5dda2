"""From the settings to an explorer: the model, the views that it is tried on, and the examples that are ready."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contextssl import checkpoints
from contextssl.checkpoints.content import refuse_named_code
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.explorer_settings import ExploreSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.environments import environments_of
from contextssl.data.pairs import ViewPairs
from contextssl.data.shapes.rendered_items import shapes_renderer
from contextssl.data.shapes.view_grid import RAW_COLUMNS
from contextssl.data.stored import is_store
from contextssl.data_set import known_data_set
from contextssl.errors import CheckpointError, ContextSSLError, DataError, SettingsError
from contextssl.evaluation.evaluated import open_evaluated
from contextssl.explorer.answers import Explorer, most_pairs
from contextssl.explorer.kinds import MOST_PAIRS, Kind, kinds_of
from contextssl.explorer.scenes import Scenes
from contextssl.explorer.shown_views import ShownViews, grid_of, rendered_views, spread, views_of_bank, views_of_images
from contextssl.factors import Environment
from contextssl.models.by_examples import ByExamples
from contextssl.named_code import own_encoder
from contextssl.report.words import factor_name
from contextssl.system.progress import say

# Of rendered objects the views shown are of those that training never saw, examples of those that it saw.
SHOWN, EXAMPLES = "val", "train"
# Values of each factor among the views of an object that examples are drawn of.
VALUES_OF_EXAMPLES = 3


@dataclass(frozen=True, eq=False)
class Material:
    """What there is to show: views where there are any, examples, scenes where they are rendered, and what was found, in words."""

    shown: ShownViews | None
    kinds: list[Kind]
    scenes: Scenes | None
    about: str = ""


NOTHING = Material(None, [], None)


def open_explorer(settings: ExploreSettings) -> Explorer:
    """Raises CheckpointError for a model whose contexts are not examples; DataError where there is nothing to show; and as
    :func:`contextssl.load`.
    """
    encoder = None if settings.encoder_factory is None else own_encoder(settings.encoder_factory)
    model = checkpoints.load(
        settings.model, checkpoint=settings.checkpoint, device=settings.accelerator, encoder=encoder, method=settings.method
    )
    if not isinstance(model, ByExamples) or model.recipe is None:
        raise CheckpointError(
            f"{settings.model} takes contexts of {model.context_kind}: the explorer shows pairs of views that count as the same; name a run that "
            "was trained with context=examples"
        )
    if model.columns is not None:
        raise DataError(f"{settings.model} is a model of tables, and rows have no pictures to show: name a run on images")
    trained = checkpoints.settings_of({checkpoints.RECIPE: model.recipe}, settings.model, method=settings.method)
    environments = environments_of(trained, model.factors).environments
    if settings.augmented and settings.images is None:
        raise SettingsError(f"augmented={settings.augmented} is of your own images: name them by images=DIR")
    material = _rendered(settings, model, environments)
    if material.shown is None:
        stored = _stored(settings, model, environments)
        material = stored if stored.shown is not None or not material.about else material
    shown, scenes, about = material.shown, material.scenes, material.about
    if settings.images is not None:
        material = _given(settings, model, environments, trained, material.kinds)
        shown, scenes, about = material.shown, None, material.about
    if shown is None:
        raise DataError(f"{about}; or give images of your own by images=DIR")
    _say(settings, f"encoding {len(shown):,} views")
    return Explorer(model, shown, material.kinds, scenes, about=about, name=Path(settings.model).name)


def _rendered(settings: ExploreSettings, model: ByExamples, environments: tuple[Environment, ...]) -> Material:
    """Views of rendered objects, made now; none where the model's data are no such views, or, with the reason, cannot be rendered here."""
    assert model.recipe is not None and model.view_shape is not None
    described = model.recipe["data"].get("source") or {}
    names = model.factors.names
    if settings.data_dir is not None or settings.dataset is not None or described.get("kind") != "shapes" or not {*names} <= {*RAW_COLUMNS}:
        return NOTHING
    grid, few = grid_of(model.factors), grid_of(model.factors, VALUES_OF_EXAMPLES ** len(names))
    if grid.factors != model.factors:
        return NOTHING
    try:
        source, resolution = shapes_renderer(described), model.view_shape[-1]
    except ContextSSLError as error:
        return replace(NOTHING, about=str(error))
    items = spread(len(source.splits[SHOWN]), max(2, round(settings.views / grid.num_views)))
    _say(settings, f"rendering {len(items)} objects × {grid.num_views} views")
    views = rendered_views(source, SHOWN, items, grid, resolution, shared=True)
    seen = spread(len(source.splits[EXAMPLES]), MOST_PAIRS)
    pairs = ViewPairs(rendered_views(source, EXAMPLES, seen, few, resolution))
    shown = views_of_bank(views, SHOWN, len(items) * grid.num_views)
    assert views.raw_latents is not None
    of = [item for item in items for _ in range(grid.num_views)]
    scenes = Scenes(source, SHOWN, of, views.raw_latents.reshape(len(of), -1), grid, resolution)
    values = " × ".join(f"{count} {factor_name(name)}s" for name, count in grid.counts.items())
    about = f"{len(shown):,} rendered views of {len(items)} objects that training never saw: {values}"
    return Material(shown, kinds_of(pairs, environments, most_pairs(model), settings.seed), scenes, about)


def _given(
    settings: ExploreSettings, model: ByExamples, environments: tuple[Environment, ...], trained: TrainSettings, kinds: list[Kind]
) -> Material:
    """The user's own images. Where the model was trained with augmentations, examples can be made of them, and views."""
    _say(settings, "reading the images")
    photos = views_of_images(Path(str(settings.images)), model.view_shape, settings.views)
    shown, about = photos, f"{len(photos):,} of the images in {settings.images}"
    data_set = known_data_set(trained.dataset)
    if data_set is None or not data_set.augments:
        if settings.augmented:
            raise SettingsError(f"augmented={settings.augmented} needs a model that was trained with augmentations: leave it out")
        return Material(shown, kinds, None, about)
    refuse_named_code(trained.dataset, trained.factors, settings.factors, settings.model)
    from contextssl.explorer.augmented_photos import kinds_of_photos, shown_augmented

    kinds = kinds or kinds_of_photos(photos, trained, environments, most_pairs(model), settings.seed)
    if settings.augmented:
        shown = shown_augmented(photos, trained, settings.views, settings.augmented, settings.seed)
        about = f"{len(shown):,} views: images in {settings.images}, and {settings.augmented} augmentations of each"
    return Material(shown, kinds, None, about)


def _stored(settings: ExploreSettings, model: ByExamples, environments: tuple[Environment, ...]) -> Material:
    """Views of the run's data, where they are at hand; never data that must be rendered or packed first."""
    assert model.recipe is not None
    where = settings.data_dir or model.recipe["data"].get("path")
    if settings.dataset is None and (where is None or not is_store(Path(where))):
        return replace(
            NOTHING, about=f"the data of {settings.model} are not at hand{'' if where is None else f' at {where}'}: say data_dir=DIR"
        )
    given: dict[str, Any] = {name: getattr(settings, name) for name in ("factors", "dataset", "encoder_factory", "method", "checkpoint")}
    asked = EvaluateSettings(
        load_model=settings.model, data_dir=None if settings.dataset is not None else str(where), progress=settings.progress, **given
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        data = open_evaluated(asked).data
    shown = views_of_bank(data.val.views, SHOWN, settings.views, settings.seed)
    return Material(
        shown, kinds_of(data.train, environments, most_pairs(model), settings.seed), None, f"{len(shown):,} views of {SHOWN} items"
    )


def _say(settings: ExploreSettings, what: str) -> None:
    if settings.progress:
        say(what, lasting=True)
