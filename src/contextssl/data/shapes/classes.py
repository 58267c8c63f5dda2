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
_DRAWN = (
    *(furniture.chair, furniture.table, furniture.lamp, things.mug, vehicles.aeroplane, vehicles.car, furniture.sofa, things.monitor),
    *(things.guitar, vehicles.ship, furniture.bed, vehicles.bicycle, things.teapot, vehicles.helicopter, furniture.cabinet, things.hammer),
    *(vehicles.truck, things.laptop, furniture.piano, vehicles.locomotive, things.dog, furniture.house, things.camera, things.tap),
    *(things.telephone, things.watering_can),
)
CLASSES: dict[str, Callable[[Solid, np.random.Generator], None]] = {draw.__name__: draw for draw in _DRAWN}


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
