"""The built-in classes: parametric solids, each object with random proportions of its own and none equal to itself turned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from contextssl.data.shapes import furniture, things, vehicles
from contextssl.data.shapes.primitives import Solid
from contextssl.data.shapes.scene import normalise
from contextssl.errors import SettingsError, nearest

if TYPE_CHECKING:
    import trimesh

STRETCH = 0.2  # largest logarithm of the stretch along an axis

# In the order of their labels. New ones go to the end, so that a smaller `classes` keeps meaning the same classes.
CLASSES: dict[str, Callable[[Solid, np.random.Generator], None]] = {
    "chair": furniture.chair,
    "table": furniture.table,
    "lamp": furniture.lamp,
    "mug": things.mug,
    "aeroplane": vehicles.aeroplane,
    "car": vehicles.car,
    "sofa": furniture.sofa,
    "monitor": things.monitor,
    "guitar": things.guitar,
    "ship": vehicles.ship,
    "bed": furniture.bed,
    "bicycle": vehicles.bicycle,
    "teapot": things.teapot,
    "helicopter": vehicles.helicopter,
    "cabinet": furniture.cabinet,
    "hammer": things.hammer,
    "truck": vehicles.truck,
    "laptop": things.laptop,
    "piano": furniture.piano,
    "locomotive": vehicles.locomotive,
    "dog": things.dog,
    "house": furniture.house,
    "camera": things.camera,
    "tap": things.tap,
    "telephone": things.telephone,
    "watering_can": things.watering_can,
}


def shape_mesh(name: str, rng: np.random.Generator) -> trimesh.Trimesh:
    """One object of a built-in class, its proportions drawn from ``rng``: bounding-box diagonal 1, centred, z up, its front towards -y.

    A stretch along each axis, drawn last, varies the whole over and above its parts. The albedo of each part is a grey.

    Raises:
        SettingsError: for an unknown class, naming the nearest known one.
    """
    if name not in CLASSES:
        raise SettingsError(f"unknown shape class {name!r}: {nearest(name, CLASSES)}")
    solid = Solid()
    CLASSES[name](solid, rng)
    mesh = solid.mesh()
    mesh.vertices *= np.exp(rng.uniform(-STRETCH, STRETCH, 3))
    return normalise(mesh)
