"""Rendered objects as an item source: every item's shape and views follow from the seed, its split, its class and its number."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt64

from contextssl.config.data_settings import ShapesSettings
from contextssl.data.origins import content_mark, digest_of_origins, origins_of
from contextssl.data.published_latents import (
    OFFSETS,
    RAW_LATENTS,
    RAW_RANGES,
    TRANSLATED_RANGES,
    WIDTHS,
    absolute_latents,
    unseen_rotations,
)
from contextssl.data.shapes.classes import CLASSES, shape_mesh
from contextssl.data.shapes.meshes import list_meshes, load_mesh, mesh_mark, split_names, stable_hash, unread_meshes
from contextssl.data.shapes.render import render_views
from contextssl.data.shapes.scene import require_renderer
from contextssl.data.shapes.view_grid import RANGES_OF_SHAPES, RAW_COLUMNS, ViewGrid, split_moves
from contextssl.data.source import Item
from contextssl.data.splits import OOD
from contextssl.errors import ContextSSLError, DataError, SettingsError, nearest
from contextssl.factors import FactorSpace
from contextssl.system.files import read_regular

if TYPE_CHECKING:
    import trimesh

DEFAULT_OBJECTS = 100
DEFAULT_VIEWS = 50

# Goes up whenever a change here, in the classes or in the renderer changes a pixel: a store begun with another version is not continued.
VERSION = 1


@dataclass(frozen=True)
class ShapesSource:
    """Objects rendered under 3DIEBench's protocol; an :class:`~contextssl.data.source.ItemSource`.

    Both splits share the classes and no object. An item's pixels depend on the seed, its split, its class and its number (for a folder of
    meshes: its file's name), not on how many others there are or in which order they are read.

    Raises:
        SettingsError: for a setting out of range.
        DataError: for a folder of meshes that is missing or holds too little.
        ContextSSLError: where trimesh or embreex is not installed.
    """

    classes: int | str | Sequence[str] | None = None  # the first so many, their names, or one name; None: all 26, or every class folder
    # Objects of each class to train on; of a folder of meshes the most that are taken. None: 100, or every mesh that validation leaves.
    objects_per_class: int | None = None
    val_objects_per_class: int = 20  # objects of each class to validate on
    num_views: int = DEFAULT_VIEWS  # of each object; with a grid, which says how many, it must not be given
    seed: int = 0  # from 0 up
    supersample: int = 1  # s, for s × s rays per pixel
    meshes: Path | None = None  # a folder with one folder of mesh files per class, in place of the built-in classes
    # How many values of each named factor, {"rotation": 7, "color": 7}: each object is rendered at every combination, see ViewGrid. None: every
    # view's values are drawn by themselves.
    grid: Mapping[str, int] | None = field(default=None, hash=False)
    grid_views: int | None = None  # so many of a grid's combinations; None: all
    # Moved along its own axes, by numbers drawn for every view, as in 3DIEBench-T; on a grid, translation is named there instead.
    translation: bool = False
    # The validation objects alone, as the split "ood", in poses that training never saw: as in 3DIEBench-OOD.
    ood: bool = False

    def __post_init__(self) -> None:
        if self.translation and self.grid is not None:
            raise SettingsError(
                "translation=true moves every view by itself, and there is a grid: give it translation, grid={translation:3,…}"
            )
        if self.grid is None and self.grid_views is not None:
            raise SettingsError("grid_views chooses among the views of a grid, and there is none: name grid too, or leave grid_views out")
        if self._grid is not None:
            if self.num_views not in (DEFAULT_VIEWS, self._grid.num_views):
                raise SettingsError(f"num_views is {self.num_views}, but the grid has {self._grid.num_views}: give one of the two")
            object.__setattr__(self, "num_views", self._grid.num_views)
            object.__setattr__(self, "grid", self._grid.counts)
        for name in ("objects_per_class", "val_objects_per_class", "num_views", "supersample"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise SettingsError(f"{name} is {value}: it must be at least 1")
        if self.seed < 0:
            raise SettingsError(f"seed is {self.seed}: it must be 0 or more")
        require_renderer()
        if self.meshes is not None:
            object.__setattr__(self, "meshes", Path(self.meshes))
        object.__setattr__(self, "classes", self._chosen_classes())
        known = len(self._all_classes)
        if isinstance(self.classes, int) and not 1 <= self.classes <= known:
            where = "built in" if self.meshes is None else f"in {self.meshes}"
            raise SettingsError(f"classes is {self.classes}, but there are {known} {where}: ask for 1 to {known}, or name them")
        if isinstance(self.classes, tuple):
            if not self.classes or len(set(self.classes)) < len(self.classes):
                raise SettingsError("classes names none, or one twice: name each class once")
            for name in self.classes:
                if name not in self._all_classes:
                    raise SettingsError(f"unknown class {name!r}: {nearest(name, self._all_classes)}")
        if self.meshes is not None:
            for name in self.class_names:
                if (there := len(self._files[name])) <= self.val_objects_per_class:
                    raise DataError(
                        f"{self.meshes / name}: {there} meshes, of which val_objects_per_class={self.val_objects_per_class} validate and none is "
                        "left to train on; lower val_objects_per_class or add meshes"
                    )

    def _chosen_classes(self) -> int | tuple[str, ...] | None:
        """``classes`` as a number, names or nothing. A word that is no class but a number is that number, as it comes from a command line."""
        chosen: Any = self.classes
        if isinstance(chosen, str):
            word = chosen.strip()
            return int(word) if word not in self._all_classes and word.isascii() and word.isdigit() else (word,)
        if chosen is None or (isinstance(chosen, int | np.integer) and not isinstance(chosen, bool)):
            return None if chosen is None else int(chosen)
        if isinstance(chosen, Sequence | np.ndarray) and all(isinstance(name, str) for name in chosen):
            return tuple(chosen)
        raise SettingsError(f"classes is {chosen!r}: give how many, a name, or names such as [chair,car]")

    @functools.cached_property
    def _grid(self) -> ViewGrid | None:
        return None if self.grid is None else ViewGrid(self.grid, self.grid_views)

    @property
    def factors(self) -> FactorSpace:
        return WIDTHS[self.raw_width] if self._grid is None else self._grid.factors

    @property
    def class_names(self) -> tuple[str, ...]:
        if isinstance(self.classes, tuple):
            return self.classes
        return self._all_classes[: self.classes if isinstance(self.classes, int) else None]

    @functools.cached_property
    def unread(self) -> str | None:
        """Files below ``meshes`` that hold shapes of kinds that cannot be read here, counted; None where there are none."""
        return None if self.meshes is None else unread_meshes(self.meshes)

    @functools.cached_property
    def origins(self) -> UInt64[np.ndarray, " N"] | None:
        """Of a folder of meshes a mark per item that changes when its file does, in the order of the splits; see :mod:`contextssl.data.origins`."""
        if self.meshes is None:
            return None
        files = {item.name: self._file(item) for items in self.splits.values() for item in items}

        def content(name: str) -> str:
            try:
                return content_mark(read_regular(files[name]))
            except (OSError, DataError):
                return "unreadable"

        return origins_of(list(files), lambda name: mesh_mark(files[name]), content)

    @functools.cached_property
    def splits(self) -> Mapping[str, Sequence[Item]]:
        splits: dict[str, list[Item]] = {"train": [], "val": []}
        for label, name in enumerate(self.class_names):
            if self.meshes is None:
                counts = (self.objects_per_class or DEFAULT_OBJECTS, self.val_objects_per_class)
                halves = [[f"{name}/{split}-{i:05d}" for i in range(count)] for split, count in zip(splits, counts, strict=True)]
            else:
                halves = [*split_names(list(self._files[name]), self.seed, self.objects_per_class, self.val_objects_per_class)]
            for items, names in zip(splits.values(), halves, strict=True):
                items += [Item(each, label) for each in names]
        return {OOD: splits["val"]} if self.ood else splits

    @property
    def channels(self) -> int:
        return 3

    @property
    def raw_width(self) -> int:
        return len(self._ranges)

    @property
    def _ranges(self) -> Sequence[tuple[float, float]]:
        """Of the raw latents, before poses are turned away from those that training sees."""
        if self._grid is not None:
            return RANGES_OF_SHAPES[: self._grid.raw_width]
        return TRANSLATED_RANGES if self.translation else RAW_RANGES

    @property
    def description(self) -> dict[str, Any]:
        # Without a grid it has no entry of one: stores that were packed before there were grids are still recognised.
        return {
            "kind": "shapes",
            "version": VERSION,
            "seed": self.seed,
            "classes": list(self.class_names),
            "objects_per_class": DEFAULT_OBJECTS if self.meshes is None and self.objects_per_class is None else self.objects_per_class,
            "val_objects_per_class": self.val_objects_per_class,
            "num_views": self.num_views,
            "supersample": self.supersample,
            "meshes": None if self.meshes is None else str(self.meshes.resolve()),
            "files": None if self.origins is None else digest_of_origins(self.origins),
            **({} if self.grid is None else {"grid": dict(self.grid)}),
            **({} if self.grid_views is None else {"grid_views": self.grid_views}),
            **{name: True for name in ("translation", "ood") if getattr(self, name)},
        }

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """All views of one item: images (V, resolution, resolution, 3) uint8 and raw latents (V, R) float64; raises as :meth:`mesh` does."""
        raw = self.raw_latents(split, index)
        return self.render(split, index, raw, resolution), raw

    def latents(self, raw: np.ndarray) -> np.ndarray:
        """Factor values (..., A) float32 from raw latents (..., R): quaternion, floor hue and light hue, where objects are moved three offsets; or
        with a grid its factors'.
        """
        return absolute_latents(raw) if self._grid is None else self._grid.latents(np.asarray(raw, dtype=np.float64))

    def raw_latents(self, split: str, index: int) -> np.ndarray:
        """The generating parameters of an item's views, (V, R) float64, uniform in their ranges. More views keep the earlier ones; moved views are
        those without translation, moved; those of the split "ood" are those of validation, each angle a quarter turn farther.
        """
        seed = self._seeds(split, index)[1]
        raw = self._grid.raw_latents(seed) if self._grid is not None else self._drawn(seed)
        return unseen_rotations(raw) if self.ood else raw

    def _drawn(self, seed: np.random.SeedSequence) -> np.ndarray:
        of_offsets = seed.spawn(1)[0]
        low, high = np.array(self._ranges).T
        parts = [(seed, slice(0, len(RAW_LATENTS))), (of_offsets, OFFSETS)][: 2 if self.translation else 1]
        drawn = [np.random.default_rng(each).uniform(low[part], high[part], (self.num_views, len(low[part]))) for each, part in parts]
        return np.concatenate(drawn, axis=1)

    def redrawn(self, raw: np.ndarray, factor: str, generator: np.random.Generator) -> np.ndarray:
        """The same raw latents (n, R) but for the numbers of one factor, which are drawn anew."""
        low, high = np.array(self._ranges).T
        drawn = generator.uniform(low, high, raw.shape)
        columns, fresh = list(RAW_COLUMNS[factor]), np.array(raw, dtype=np.float64)
        fresh[:, columns] = (unseen_rotations(drawn) if self.ood else drawn)[:, columns]
        return fresh

    def mesh(self, split: str, index: int) -> trimesh.Trimesh:
        """An item's mesh, of bounding-box diagonal 1 and centred; raises DataError for a mesh file that cannot be read or an index out of range."""
        item = self._item(split, index)
        if self.meshes is not None:
            return load_mesh(self._file(item))
        return shape_mesh(self.class_names[item.label], np.random.default_rng(self._seeds(split, index)[0]))

    def render(self, split: str, index: int, raw: np.ndarray, resolution: int) -> np.ndarray:
        """An item under raw latents of the caller's own, (V, 7), or (V, 10) of :data:`~contextssl.data.published_latents.TRANSLATED_LATENTS`, in
        which it moves along its own axes, or (V, 11) of :data:`~contextssl.data.shapes.view_grid.LATENTS_OF_SHAPES`, in which it moves along those
        of the world and changes its size: images (V, resolution, resolution, 3) uint8.
        """
        published, offsets, sizes = split_moves(raw)
        return render_views(self.mesh(split, index), published, resolution, self.supersample, offsets=offsets, sizes=sizes)

    @functools.cached_property
    def _files(self) -> dict[str, dict[str, Path]]:
        return {} if self.meshes is None else list_meshes(self.meshes)

    @property
    def _all_classes(self) -> tuple[str, ...]:
        return tuple(CLASSES if self.meshes is None else self._files)

    def _file(self, item: Item) -> Path:
        return self._files[self.class_names[item.label]][item.name]

    def _item(self, split: str, index: int) -> Item:
        if split not in self.splits:
            raise SettingsError(f"unknown split {split!r}: {nearest(split, self.splits)}")
        items = self.splits[split]
        if not 0 <= index < len(items):
            raise DataError(f"there is no item {index} in split {split!r}: it has {len(items)} (0 to {len(items) - 1})")
        return items[index]

    def _seeds(self, split: str, index: int) -> list[np.random.SeedSequence]:
        """One seed for an item's shape and one for its views. The item's name holds its split, its class and its number, or its file."""
        return np.random.SeedSequence([self.seed, stable_hash(self._item(split, index).name)]).spawn(2)


def shapes_source(settings: ShapesSettings, ood: bool = False) -> ShapesSource:
    """The renderer that the settings describe, or that of the same objects in poses that training never saw."""
    return ShapesSource(
        classes=settings.classes,
        objects_per_class=settings.objects,
        val_objects_per_class=settings.val_objects,
        num_views=settings.views if settings.grid is None else DEFAULT_VIEWS,
        seed=settings.data_seed,
        supersample=settings.supersample,
        meshes=None if settings.meshes is None else Path(settings.meshes),
        grid=settings.grid,
        grid_views=settings.grid_views,
        translation=settings.translation,
        ood=ood,
    )


def shapes_renderer(source: Mapping[str, Any]) -> ShapesSource:
    """The renderer that made a store, from its manifest; ContextSSLError where it is not installed, its meshes have moved or it has changed."""
    renderer = ShapesSource(
        classes=tuple(source["classes"]),
        meshes=None if source["meshes"] is None else Path(source["meshes"]),
        grid=source.get("grid"),
        grid_views=source.get("grid_views"),
        translation=source.get("translation", False),
        ood=source.get("ood", False),
        **{name: source[name] for name in ("objects_per_class", "val_objects_per_class", "num_views", "seed", "supersample")},
    )
    if json.loads(json.dumps(renderer.description)) != dict(source):
        raise ContextSSLError("the data were rendered from other meshes or by another version of the renderer; render them again")
    return renderer
