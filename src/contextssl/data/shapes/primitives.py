"""Solids put together from a few kinds of part: boxes, blocks, plates, turned profiles, balls, rods and bent tubes.

Plain numpy, so that a new object costs a millisecond. z is up, the front of an object faces -y (towards the camera), its left is -x.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from contextssl.data.shapes.scene import import_trimesh

if TYPE_CHECKING:
    import trimesh

Triple = tuple[float, float, float]

# Albedos. All are grey: an image's colours come from its light and its floor.
PALE, MIDDLE, DARK = 0.85, 0.6, 0.35

_BOX_FACES = np.array(
    [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]]
)
_CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def rotation_matrix(degrees: Triple) -> np.ndarray:
    """(3, 3) rotation by extrinsic x, y, z angles in degrees."""
    (cx, cy, cz), (sx, sy, sz) = zip(*((math.cos(a), math.sin(a)) for a in map(math.radians, degrees)), strict=True)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


@functools.lru_cache(maxsize=256)
def _unit_circle(segments: int) -> np.ndarray:
    angle = np.arange(segments) * (2 * np.pi / segments) + np.pi / segments
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@functools.lru_cache(maxsize=256)
def _ring_faces(rings: int, segments: int, points: tuple[int, ...], closed: bool) -> np.ndarray:
    """Triangles between consecutive rings of ``segments`` vertices; the rings named in ``points`` have shrunk to their first vertex."""
    ring = np.arange(rings * segments).reshape(rings, segments)
    for index in points:
        ring[index] = index * segments
    lower = ring if closed else ring[:-1]
    upper = np.roll(ring, -1, axis=0) if closed else ring[1:]
    right, upper_right = np.roll(lower, -1, axis=1), np.roll(upper, -1, axis=1)
    faces = np.concatenate([np.stack([lower, right, upper_right], -1), np.stack([lower, upper_right, upper], -1)]).reshape(-1, 3)
    return faces[(faces != np.roll(faces, -1, axis=1)).all(axis=1)]


def _across(axis: np.ndarray) -> np.ndarray:
    """(2, 3) two unit vectors across a unit vector and each other."""
    side = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (0.0, 1.0, 0.0))
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(axis, side)])


class Solid:
    """Collects parts; :meth:`mesh` joins them. ``turn`` is extrinsic xyz in degrees about the part's own middle, applied before ``at``."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._count = 0

    def add(self, vertices: np.ndarray, faces: np.ndarray, albedo: float, at: Triple = (0, 0, 0), turn: Triple = (0, 0, 0)) -> None:
        """Any part: vertices (n, 3) and triangles (m, 3)."""
        if any(turn):
            vertices = vertices @ rotation_matrix(turn).T
        placed = vertices + np.asarray(at, dtype=np.float64)
        self._parts.append((placed, faces + self._count, np.full(len(faces), albedo, dtype=np.float32)))
        self._count += len(vertices)

    def loft(
        self, rings: Sequence[np.ndarray], albedo: float = PALE, at: Triple = (0, 0, 0), turn: Triple = (0, 0, 0), closed: bool = False
    ) -> None:
        """A skin over outlines (n, 3) of equally many points, counter-clockwise from above. Outlines that are single points close its ends, or
        ``closed`` joins the last to the first.
        """
        points = tuple(index for index, ring in enumerate(rings) if (ring == ring[0]).all())
        self.add(np.concatenate(rings), _ring_faces(len(rings), len(rings[0]), points, closed), albedo, at, turn)

    def box(self, size: Triple, at: Triple, albedo: float = PALE, turn: Triple = (0, 0, 0)) -> None:
        """A box of full side lengths ``size`` about its centre."""
        self.block(size[:2], size[:2], size[2], at, albedo, turn=turn)

    def block(
        self,
        bottom: tuple[float, float],
        top: tuple[float, float],
        height: float,
        at: Triple,
        albedo: float = PALE,
        shift: tuple[float, float] = (0, 0),
        turn: Triple = (0, 0, 0),
    ) -> None:
        """A tapered box: a ``bottom`` and a ``top`` rectangle, the top moved by ``shift``; ``at`` lies over the bottom's centre, halfway up."""
        corners = np.concatenate([_CORNERS * bottom, _CORNERS * top + np.asarray(shift)])
        self.add(np.column_stack([corners, np.repeat([-height / 2, height / 2], 4)]), _BOX_FACES, albedo, at, turn)

    def lathe(
        self, profile: Sequence[tuple[float, float]], at: Triple, albedo: float = PALE, turn: Triple = (0, 0, 0), segments: int = 16
    ) -> None:
        """A profile of (radius, z) turned about z; radius 0 closes it."""
        circle = _unit_circle(segments)
        self.loft([np.column_stack([radius * circle, np.full(segments, z)]) for radius, z in profile], albedo, at, turn)

    def disc(self, radius: float, height: float, at: Triple, albedo: float = PALE, turn: Triple = (0, 0, 0), segments: int = 16) -> None:
        """A closed cylinder along z about its centre; turned by (0, 90, 0) it lies along x, as a car's wheel does."""
        half = height / 2
        self.lathe([(0, -half), (radius, -half), (radius, half), (0, half)], at, albedo, turn, segments)

    def ball(self, radii: Triple, at: Triple, albedo: float = PALE, segments: int = 14) -> None:
        """An ellipsoid of half axes ``radii``."""
        polar = np.linspace(np.pi, 0, segments // 2 + 1)
        radius = np.sin(polar)
        radius[[0, -1]] = 0.0
        circle = _unit_circle(segments)
        rings = [np.column_stack([r * circle, np.full(segments, z)]) for r, z in zip(radius, np.cos(polar), strict=True)]
        self.loft([ring * radii for ring in rings], albedo, at)

    def rod(
        self, start: Triple, end: Triple, radius: float, albedo: float = PALE, end_radius: float | None = None, segments: int = 10
    ) -> None:
        """A closed cylinder between two points; another ``end_radius`` makes it a cone (0: a pointed one)."""
        a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        circle = _unit_circle(segments) @ _across((b - a) / np.linalg.norm(b - a))
        far = radius if end_radius is None else end_radius
        rings = [np.broadcast_to(a, (segments, 3)), a + radius * circle, b + far * circle, np.broadcast_to(b, (segments, 3))]
        self.loft(rings if far else rings[:3], albedo)

    def tube(self, path: np.ndarray, normal: Triple, radius: float, albedo: float = PALE, closed: bool = False, segments: int = 8) -> None:
        """A round tube along a path (k, 3) that lies in the plane with ``normal``; ``closed`` joins its ends, as in a ring."""
        tangent = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0) if closed else np.gradient(path, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        upright = np.asarray(normal, dtype=np.float64)
        circle = _unit_circle(segments)
        rings = path[:, None] + radius * (circle[:, :1] * np.cross(upright, tangent)[:, None] + circle[:, 1:] * upright)
        ends = [] if closed else [np.broadcast_to(point, (segments, 3)) for point in (path[0], path[-1])]
        self.loft([*ends[:1], *rings, *ends[1:]], albedo, closed=closed)

    def ring(self, radius: float, thickness: float, at: Triple, normal: Triple, albedo: float = PALE, segments: int = 20) -> None:
        """A closed ring (torus) whose tube has radius ``thickness``."""
        path = np.asarray(at) + radius * (_unit_circle(segments) @ _across(np.asarray(normal, dtype=np.float64)))
        self.tube(path, normal, thickness, albedo, closed=True)

    def plate(self, outline: np.ndarray, thickness: float, at: Triple, albedo: float = PALE, turn: Triple = (0, 0, 0)) -> None:
        """An outline (n, 2) in x and y, counter-clockwise and star-shaped about its mean, thickened along z."""
        middle, half = np.broadcast_to(outline.mean(axis=0), outline.shape), thickness / 2
        sections = ((middle, -half), (outline, -half), (outline, half), (middle, half))
        self.loft([np.column_stack([xy, np.full(len(outline), z)]) for xy, z in sections], albedo, at, turn)

    def mesh(self) -> trimesh.Trimesh:
        """All parts as one mesh, each face with its albedo in ``face_attributes["albedo"]``."""
        vertices, faces, albedo = map(np.concatenate, zip(*self._parts, strict=True))
        return import_trimesh().Trimesh(vertices, faces, face_attributes={"albedo": albedo}, process=False)


def arc(centre: Triple, radius: float | tuple[float, float], start: float, stop: float, plane: str, points: int = 9) -> np.ndarray:
    """A path (points, 3) along an elliptic arc, its angles in degrees, in the plane ``"xy"``, ``"xz"`` or ``"yz"``."""
    angle = np.radians(np.linspace(start, stop, points))
    first, second = ("xyz".index(letter) for letter in plane)
    a, b = radius if isinstance(radius, tuple) else (radius, radius)
    path = np.tile(np.asarray(centre, dtype=np.float64), (points, 1))
    path[:, first] += a * np.cos(angle)
    path[:, second] += b * np.sin(angle)
    return path
