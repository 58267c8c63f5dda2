"""Rendered objects under 3DIEBench's protocol: built-in classes, or a folder of meshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextssl.config.data_settings import DataSettings, ShapesSettings, names_of
from contextssl.data_set import DataSet, Foreseen, Opened

if TYPE_CHECKING:
    from contextssl.data.shapes import ShapesSource

# A store is named after its classes if their names have at most this many characters.
MOST_NAMES = 80


def _open(settings: DataSettings, progress: bool) -> Opened:
    from contextssl.data.opened import packed, rendered, saying
    from contextssl.data.shapes.rendered_items import shapes_renderer, shapes_source
    from contextssl.data.splits import OOD
    from contextssl.data.store import Store, open_store, verify_of
    from contextssl.data.stored import is_store

    def with_ood(store: Store) -> Opened:
        made_from = store.manifest.get("source") or {}

        def ood() -> Store:
            source = replace(shapes_renderer(made_from), ood=True)
            return packed(source, store.path.with_name(f"{store.path.name}-{OOD}"), settings, progress, beside=True)

        return rendered(store, settings, ood if made_from.get("kind") == "shapes" else None)

    if settings.data_dir is not None and is_store(Path(settings.data_dir)):
        return with_ood(open_store(Path(settings.data_dir), verify_of(settings)))
    source = shapes_source(settings)
    if source.unread:
        saying(progress)(
            f"note: {settings.meshes} holds {source.unread}, which cannot be read here and are left out: convert them, for instance to OBJ"
        )
    named = settings.data_dir is not None
    folder = Path(str(settings.data_dir)) if named else Path("datasets") / _folder_name(settings, source)
    return with_ood(packed(source, folder, settings, progress, beside=not named))


def _folder_name(settings: DataSettings, source: ShapesSource) -> str:
    from contextssl.digest import digest_of

    what = f"{Path(settings.meshes).name}-{digest_of(str(Path(settings.meshes).resolve()))[:8]}-" if settings.meshes else ""
    if isinstance(source.classes, tuple):
        names = "-".join(source.classes)
        what += names if len(names) <= MOST_NAMES else f"{len(source.classes)}classes-{digest_of(list(source.classes))[:8]}"
    else:
        what += f"{source.classes or 'all-'}classes"
    grid = None if source.grid is None else "".join(f"-{name}{count}" for name, count in source.grid.items())
    some = "" if source.grid_views is None else f"-{source.grid_views}views"
    views = f"{settings.views}views" if grid is None else f"grid{grid}{some}"
    counts = f"{settings.objects or 'all'}+{settings.val_objects}objects-{views}"
    smooth = f"-{settings.supersample}rays" if settings.supersample > 1 else ""
    moved = "-translation" if settings.translation else ""
    return f"shapes-{what}-{counts}{moved}-{settings.resolution}px{smooth}-seed{settings.data_seed}"


def _foreseen(settings: DataSettings) -> Foreseen:
    from contextssl.data.opened import foreseen_of_objects
    from contextssl.data.published_latents import FACTORS, TRANSLATED_FACTORS

    return foreseen_of_objects(settings, TRANSLATED_FACTORS if settings.translation else FACTORS, settings.grid)


def _about(source: Mapping[str, Any]) -> str:
    grid = source.get("grid") or {}
    values = " × ".join(f"{count} {name}" for name, count in grid.items())
    return (
        f"{len(source['classes'])} classes × {source['objects_per_class']} training and {source['val_objects_per_class']} validation "
        f"objects × {source['num_views']} views{', ' if values else ''}{values}{', moved' if source.get('translation') else ''}"
    )


DATA_SET = DataSet(
    "shapes",
    _open,
    place=2,
    views="images",
    reads=("data_dir", "resolution", "factors", *names_of(ShapesSettings)),
    packed_by=names_of(ShapesSettings),
    renders=True,
    foreseen=_foreseen,
    about=_about,
)
