"""3DIEBench's scene, rendered on a CPU: an object over a coloured floor under a coloured spot light, seen by a fixed camera.

The camera, the floor and the light's distance are constants; the seven raw latents (:data:`~contextssl.data.threediebench_folder.RAW_LATENTS`) say
the rest. Instead of turning the object, its rays are turned the other way, so that one acceleration structure serves all of its views.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from contextssl.data.shapes.scene import Scene
from contextssl.errors import InputError, SettingsError

if TYPE_CHECKING:
    import trimesh

CAMERA_DISTANCE = 2.5
CAMERA_ELEVATION = np.radians(45.0)
FIELD_OF_VIEW = np.radians(39.6)
FLOOR_HEIGHT = -1.0
LIGHT_DISTANCE = 4.0
FLOOR_SATURATION, FLOOR_VALUE = 0.6, 0.6
LIGHT_SATURATION, LIGHT_VALUE = 1.0, 0.8

# The axes of the image in the world: x to the right, y away from the camera, z up.
FORWARD = np.array([0.0, np.cos(CAMERA_ELEVATION), -np.sin(CAMERA_ELEVATION)])
RIGHT = np.array([1.0, 0.0, 0.0])
UP = np.array([0.0, np.sin(CAMERA_ELEVATION), np.cos(CAMERA_ELEVATION)])
EYE = -CAMERA_DISTANCE * FORWARD

# The white sun: light from overhead that wraps round an object, (2 + n·z) / 3, so that no side of it is black. It casts no shadow.
SUN = 0.5
# The spot light: inverse-square, SPOT at the origin, full within the inner angle of its axis and nothing beyond the outer one.
SPOT = 0.65
SPOT_INNER, SPOT_OUTER = np.radians(20.0), np.radians(45.0)

SHADOW_OFFSET = np.float32(2e-4)  # how far a shadow ray starts above the surface that it leaves
CHUNK_PIXELS = 1 << 17  # pixels rendered at once: their arrays stay in the processor's cache


@dataclass(frozen=True)
class PixelGrid:
    """What depends on the resolution alone, (P,) float32 each, row by row from the image's top left."""

    directions: np.ndarray  # (P, 3), unit
    depth: np.ndarray  # cosine to the camera's axis
    floor_x: np.ndarray  # where the pixel's ray meets the floor
    floor_y: np.ndarray
    floor_square: np.ndarray  # squared distance of that point to the origin


@functools.lru_cache(maxsize=4)
def pixel_grid(resolution: int) -> PixelGrid:
    """The rays through the centres of resolution × resolution pixels, and where they meet the floor."""
    across = ((np.arange(resolution) + 0.5) / resolution * 2 - 1) * np.tan(FIELD_OF_VIEW / 2)
    directions = (FORWARD + across[None, :, None] * RIGHT - across[:, None, None] * UP).reshape(-1, 3)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    floor = EYE + directions * ((FLOOR_HEIGHT - EYE[2]) / directions[:, 2:])
    return PixelGrid(
        directions.astype(np.float32),
        (directions @ FORWARD).astype(np.float32),
        floor[:, 0].astype(np.float32),
        floor[:, 1].astype(np.float32),
        np.square(floor).sum(axis=1).astype(np.float32),
    )


def hue_colour(hue: np.ndarray, saturation: float, value: float) -> np.ndarray:
    """HSV to RGB: hues (...), in turns, to (..., 3) in [0, 1]."""
    sixth = np.asarray(hue, dtype=np.float64)[..., None] * 6 + np.array([5.0, 3.0, 1.0])
    sixth %= 6
    return value * (1 - saturation * np.clip(np.minimum(sixth, 4 - sixth), 0, 1))


def light_position(raw: np.ndarray) -> np.ndarray:
    """Where the spot light is, (..., 3), from raw latents (..., 7): θ from the zenith, φ from x towards y."""
    theta, phi = raw[..., 4], raw[..., 5]
    return LIGHT_DISTANCE * np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)


def render_views(mesh: trimesh.Trimesh, raw_latents: np.ndarray, resolution: int, supersample: int = 1) -> np.ndarray:
    """Images of one object under given latents.

    Args:
        mesh: within the ball of radius 0.5 about the origin, see :class:`~contextssl.data.shapes.scene.Scene`.
        raw_latents: (V, 7) in the order of ``RAW_LATENTS``: extrinsic xyz Euler angles, floor hue, light θ and φ (radians), light hue.
            Hues outside [0, 1] wrap round.
        resolution: pixels per side.
        supersample: s, for s × s rays per pixel and the mean of their light.

    Returns:
        (V, resolution, resolution, 3) uint8.

    Raises:
        InputError: for latents of another shape, not finite, or with the light below the horizon; for a mesh that is empty or too large.
        SettingsError: for a resolution or a supersample below 1.
    """
    for name, value in (("resolution", resolution), ("supersample", supersample)):
        if value < 1:
            raise SettingsError(f"{name} is {value}: it must be at least 1")
    raw = np.asarray(raw_latents, dtype=np.float64)
    if raw.ndim != 2 or raw.shape[1] != 7:
        raise InputError(f"raw latents have shape {raw.shape}: they must be (views, 7)")
    if not np.isfinite(raw).all():
        raise InputError("raw latents are not finite")
    if (np.abs(raw[:, 4]) > np.pi / 2).any():
        raise InputError(
            "a light θ lies outside [0, π/2]: it is the angle from the zenith, in radians, and the light must be above the horizon"
        )
    scene = Scene(mesh)
    rays = resolution * supersample
    grid = pixel_grid(rays)
    images = np.empty((len(raw), resolution, resolution, 3), np.uint8)
    step = max(1, CHUNK_PIXELS // rays**2)
    for start in range(0, len(raw), step):
        light = _radiance(scene, raw[start : start + step], grid).reshape(-1, rays, rays, 3)
        if supersample > 1:
            light = _box_mean(light, supersample)
        light *= 255
        light += 0.5
        images[start : start + step] = np.minimum(light, 255, out=light)
    return images


def _radiance(scene: Scene, raw: np.ndarray, grid: PixelGrid) -> np.ndarray:
    """Light that reaches the camera, (V, P, 3) float32, 1 being white."""
    pose = Rotation.from_euler("xyz", raw[:, :3]).as_matrix()
    lamp = light_position(raw)
    light_colour = (SPOT * hue_colour(raw[:, 6], LIGHT_SATURATION, LIGHT_VALUE)).astype(np.float32)
    floor_colour = hue_colour(raw[:, 3], FLOOR_SATURATION, FLOOR_VALUE).astype(np.float32)
    # Into the object's frame, where its acceleration structure lies: pose⁻¹ · point, that is, point · pose.
    to_object = pose.astype(np.float32)
    eye = (EYE @ pose).astype(np.float32)
    lamp_object = np.einsum("vi,vij->vj", lamp, pose).astype(np.float32)

    spot, blockable = _floor_light(lamp.astype(np.float32), grid, scene.radius)
    pixel, view, white, coloured = _object_light(scene, to_object, eye, lamp_object, grid)

    # The floor's shadow, from the lamp to the points of the floor that are seen and that the object might hide from it.
    blockable[view, pixel] = False
    shaded_view, shaded_pixel = np.nonzero(blockable)
    ground = np.stack(
        [grid.floor_x[shaded_pixel], grid.floor_y[shaded_pixel], np.full(len(shaded_pixel), FLOOR_HEIGHT, np.float32)], axis=1
    )
    away = _turn(ground, to_object[shaded_view])
    origins = lamp_object[shaded_view]
    away -= origins
    dark = scene.occluded(origins, away)
    spot[shaded_view[dark], shaded_pixel[dark]] = 0

    image = np.empty((*spot.shape, 3), np.float32)
    tint = floor_colour * light_colour
    for channel in range(3):
        plane = spot * tint[:, None, channel]
        plane += SUN * floor_colour[:, None, channel]
        image[..., channel] = plane
    image[view, pixel] = white[:, None] + coloured[:, None] * light_colour[view]
    return image


def _box_mean(light: np.ndarray, side: int) -> np.ndarray:
    """Means over boxes of side × side pixels: (V, side · H, side · W, 3) to (V, H, W, 3). Whole rows, contiguous, come first."""
    rows = light[:, ::side].copy()
    for i in range(1, side):
        rows += light[:, i::side]
    boxes = rows[:, :, ::side].copy()
    for i in range(1, side):
        boxes += rows[:, :, i::side]
    boxes *= np.float32(1 / side**2)
    return boxes


def _turn(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """points · matrices, (..., 3) and (..., 3, 3) broadcast against each other.

    Element by element: it starts no threads, and how it rounds does not depend on how many there are.
    """
    turned = np.empty(np.broadcast_shapes(points.shape, matrices.shape[:-1]), np.float32)
    for axis in range(3):
        out = points[..., 0] * matrices[..., 0, axis]
        out += points[..., 1] * matrices[..., 1, axis]
        out += points[..., 2] * matrices[..., 2, axis]
        turned[..., axis] = out
    return turned


def _floor_light(lamp: np.ndarray, grid: PixelGrid, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The spot light on the floor at each pixel were there no object, and whether one of that radius could keep it off: (V, P)."""
    x, y, z = lamp[:, :1], lamp[:, 1:2], lamp[:, 2:]
    along = x * grid.floor_x
    along += y * grid.floor_y
    along += z * np.float32(FLOOR_HEIGHT)
    square = grid.floor_square - 2 * along
    square += np.float32(LIGHT_DISTANCE**2)
    inverse = np.reciprocal(np.sqrt(square, out=square), out=square)
    # Cosine between the lamp's axis, to the origin, and its direction to the point.
    cosine = np.subtract(np.float32(LIGHT_DISTANCE), along / np.float32(LIGHT_DISTANCE), out=along)
    cosine *= inverse
    blockable = cosine >= np.float32(np.sqrt(1 - (radius / LIGHT_DISTANCE) ** 2) - 1e-6)
    cone = cosine
    cone -= np.float32(np.cos(SPOT_OUTER))
    cone *= np.float32(1 / (np.cos(SPOT_INNER) - np.cos(SPOT_OUTER)))
    np.clip(cone, 0, 1, out=cone)
    # Lambert's cosine times inverse square: (height / d) · (D / d)².
    cone *= inverse
    cone *= inverse
    cone *= inverse
    cone *= (z - np.float32(FLOOR_HEIGHT)) * np.float32(LIGHT_DISTANCE**2)
    return cone, blockable


def _object_light(
    scene: Scene, to_object: np.ndarray, eye: np.ndarray, lamp: np.ndarray, grid: PixelGrid
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the object is seen: pixel, view, and its light by the white sun and by the spot (to be coloured), (M,) each."""
    window = np.flatnonzero(grid.depth >= np.sqrt(1 - (scene.radius / CAMERA_DISTANCE) ** 2) - 1e-6)
    rays = _turn(grid.directions[window][None], to_object[:, None]).reshape(-1, 3)
    face, distance = scene.hits(np.repeat(eye, len(window), axis=0), rays)
    hit = np.flatnonzero(face >= 0)
    view, pixel = np.divmod(hit, max(1, len(window)))
    face, direction = face[hit], rays[hit]

    point = direction * distance[hit, None]
    point += eye[view]
    normal = scene.normals[face]
    # Faces have two sides: the seen one counts.
    normal *= -np.copysign(np.float32(1), np.einsum("ij,ij->i", normal, direction))[:, None]
    toward = lamp[view] - point
    facing = np.einsum("ij,ij->i", normal, toward)
    lit = np.flatnonzero(facing > 0)
    point = point[lit]
    point += SHADOW_OFFSET * normal[lit]
    lit = lit[~scene.occluded(point, toward[lit])]

    albedo = scene.albedo[face]
    up = np.einsum("ij,ij->i", normal, to_object[view, 2])
    white = albedo * (np.float32(SUN * 2 / 3) + np.float32(SUN / 3) * up)
    toward = toward[lit]
    square = np.einsum("ij,ij->i", toward, toward)
    coloured = np.zeros_like(white)
    # The object is so near the lamp's axis that it lies within the inner angle.
    coloured[lit] = albedo[lit] * facing[lit] * np.float32(LIGHT_DISTANCE**2) / (square * np.sqrt(square))
    return window[pixel], view, white, coloured
