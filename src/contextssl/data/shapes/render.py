"""3DIEBench's scene, rendered on a CPU: an object over a coloured floor under a coloured spot light, seen by a fixed camera.

The seven raw latents (:data:`~contextssl.data.threediebench_folder.RAW_LATENTS`) vary it; the object may be moved and resized too. Instead of it,
its rays are turned, moved and resized the other way, so that one acceleration structure serves all of its views.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from contextssl.data.shapes.scene import RADIUS, Scene
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

# How far from the origin an object may reach: it stays before the camera, and in the full light of the spot's inner cone. Beyond 1 it may sink
# into the floor, which then hides that part of it.
REACH = LIGHT_DISTANCE * float(np.sin(SPOT_INNER))
SHADOW_OFFSET = np.float32(2e-4)  # how far a shadow ray starts above the surface that it leaves
CHUNK_PIXELS = 1 << 17  # pixels rendered at once: their arrays stay in the processor's cache


@dataclass(frozen=True)
class PixelGrid:
    """What depends on the resolution alone, (P,) float32 each, row by row from the image's top left."""

    directions: np.ndarray  # (P, 3), unit
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
    parts = (directions, floor[:, 0], floor[:, 1], np.square(floor).sum(axis=1))
    return PixelGrid(*(part.astype(np.float32) for part in parts))


def hue_colour(hue: np.ndarray, saturation: float, value: float) -> np.ndarray:
    """HSV to RGB: hues (...), in turns, to (..., 3) in [0, 1]."""
    sixth = np.asarray(hue, dtype=np.float64)[..., None] * 6 + np.array([5.0, 3.0, 1.0])
    sixth %= 6
    return value * (1 - saturation * np.clip(np.minimum(sixth, 4 - sixth), 0, 1))


def light_position(raw: np.ndarray) -> np.ndarray:
    """Where the spot light is, (..., 3), from raw latents (..., 7): θ from the zenith, φ from x towards y."""
    theta, phi = raw[..., 4], raw[..., 5]
    return LIGHT_DISTANCE * np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)


def render_views(
    mesh: trimesh.Trimesh,
    raw_latents: np.ndarray,
    resolution: int,
    supersample: int = 1,
    *,
    offsets: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
) -> np.ndarray:
    """Images (V, resolution, resolution, 3) uint8 of one object under given latents.

    Args:
        mesh: within the ball of radius 0.5 about the origin, see :class:`~contextssl.data.shapes.scene.Scene`.
        raw_latents: (V, 7) in the order of ``RAW_LATENTS``: extrinsic xyz Euler angles, floor hue, light θ and φ (radians), light hue.
            Hues outside [0, 1] wrap round.
        supersample: s, for s × s rays per pixel and the mean of their light.
        offsets: (V, 3) where the object's origin is in the world (x, y, z); default: at the world's, (0, 0, 0). It is turned about its own.
        sizes: (V,) factors by which the object is larger than its mesh, above 0; default: 1.

    Raises:
        InputError: for latents, offsets or sizes of another shape or not finite, a light below the horizon, an object that could reach farther
            than 1.368 from the origin, or a mesh that is empty or too large.
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
    offset, size = _checked_places(offsets, sizes, len(raw))
    scene = Scene(mesh)
    rays = resolution * supersample
    grid = pixel_grid(rays)
    images = np.empty((len(raw), resolution, resolution, 3), np.uint8)
    step = max(1, CHUNK_PIXELS // rays**2)
    for start in range(0, len(raw), step):
        here = slice(start, start + step)
        light = _radiance(scene, raw[here], offset[here], size[here], grid).reshape(-1, rays, rays, 3)
        if supersample > 1:
            light = _box_mean(light, supersample)
        light *= 255
        light += 0.5
        images[here] = np.minimum(light, 255, out=light)
    return images


def _checked_places(offsets: np.ndarray | None, sizes: np.ndarray | None, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (V, 3) and sizes (V,), float64, of as many views; raises InputError as :func:`render_views` does."""
    offset = np.zeros((views, 3)) if offsets is None else np.asarray(offsets, dtype=np.float64)
    size = np.ones(views) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if offset.shape != (views, 3) or size.shape != (views,):
        raise InputError(f"offsets {offset.shape} and sizes {size.shape} must be ({views}, 3) and ({views},): one for each row of latents")
    if not (np.isfinite(offset).all() and np.isfinite(size).all()):
        raise InputError("offsets or sizes are not finite")
    if (size <= 0).any():
        raise InputError(f"a size is {size.min():g}: sizes must be above 0")
    reach = np.linalg.norm(offset, axis=1) + RADIUS * size
    if (reach > REACH).any():
        raise InputError(
            f"an object reaches {reach.max():.3g} from the origin (the length of its offset and {RADIUS:g} × its size), not {REACH:.4g} at most: "
            "move it less or make it smaller"
        )
    return offset, size


def _radiance(scene: Scene, raw: np.ndarray, offset: np.ndarray, size: np.ndarray, grid: PixelGrid) -> np.ndarray:
    """Light that reaches the camera, (V, P, 3) float32, 1 being white."""
    pose = Rotation.from_euler("xyz", raw[:, :3]).as_matrix()
    lamp = light_position(raw)
    light_colour = (SPOT * hue_colour(raw[:, 6], LIGHT_SATURATION, LIGHT_VALUE)).astype(np.float32)
    floor_colour = hue_colour(raw[:, 3], FLOOR_SATURATION, FLOOR_VALUE).astype(np.float32)
    # Into the object's frame, where its acceleration structure lies: pose⁻¹ · (point - offset) / size, and pose⁻¹ · point is point · pose.
    to_object = pose.astype(np.float32)
    turned_offset, turned_lamp = (np.einsum("vi,vij->vj", points, pose) for points in (offset, lamp))
    eye = ((EYE @ pose - turned_offset) / size[:, None]).astype(np.float32)
    lamp_object = ((turned_lamp - turned_offset) / size[:, None]).astype(np.float32)

    # A ball about the origin that holds the object wherever it is, and whether one about itself meets the floor.
    radius = scene.radius * size
    reach = np.linalg.norm(offset, axis=1) + radius
    sinks = bool((offset[:, 2] - radius < FLOOR_HEIGHT).any())
    spot, blockable = _floor_light(lamp.astype(np.float32), grid, reach)
    window = _window(offset, radius, grid)
    # How far below the object's origin the floor is, in the object's unit of length.
    floor = ((FLOOR_HEIGHT - offset[:, 2]) / size).astype(np.float32) if sinks else None
    pixel, view, white, coloured = _object_light(
        scene, to_object, eye, lamp_object, size.astype(np.float32), grid.directions[window], floor
    )
    pixel = window[pixel]

    # The floor's shadow, from the lamp to the points of the floor that are seen and that the object might hide from it.
    blockable[view, pixel] = False
    shaded_view, shaded_pixel = np.nonzero(blockable)
    height = np.full(len(shaded_pixel), FLOOR_HEIGHT, np.float32)
    ground = np.stack([grid.floor_x[shaded_pixel], grid.floor_y[shaded_pixel], height], axis=1)
    # A direction from one point of the world to another: the offset cancels, and its length does not matter.
    away = _turn(ground, to_object[shaded_view])
    away -= turned_lamp.astype(np.float32)[shaded_view]
    if sinks:
        # Below the floor an object throws no shadow on it: the length of a ray from lamp to floor, in the object's unit, is 1.
        away /= size.astype(np.float32)[shaded_view, None]
        face, distance = scene.hits(lamp_object[shaded_view], away)
        dark = (face >= 0) & (distance < 1)
    else:
        dark = scene.occluded(lamp_object[shaded_view], away)
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


def _window(offset: np.ndarray, radius: np.ndarray, grid: PixelGrid) -> np.ndarray:
    """The pixels, (W,), whose rays meet a ball of that radius (V,) at that offset (V, 3) in any of the views."""
    places = np.unique(np.column_stack([offset - EYE, radius]), axis=0)  # views may share them
    distance = np.linalg.norm(places[:, :3], axis=1)
    cosine = grid.directions @ (places[:, :3] / distance[:, None]).T
    return np.flatnonzero((cosine >= np.sqrt(1 - (places[:, 3] / distance) ** 2) - 1e-6).any(axis=1))


def _floor_light(lamp: np.ndarray, grid: PixelGrid, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spot light on the floor at each pixel were there no object, and whether one within ``reach`` (V,) of the origin could keep it off:
    (V, P) each.
    """
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
    blockable = cosine >= (np.sqrt(1 - (reach / LIGHT_DISTANCE) ** 2) - 1e-6).astype(np.float32)[:, None]
    cone = cosine
    cone -= np.float32(np.cos(SPOT_OUTER))
    cone *= np.float32(1 / (np.cos(SPOT_INNER) - np.cos(SPOT_OUTER)))
    np.clip(cone, 0, 1, out=cone)
    # Lambert's cosine times inverse square: (height / d) · (D / d)².
    for _ in range(3):
        cone *= inverse
    cone *= (z - np.float32(FLOOR_HEIGHT)) * np.float32(LIGHT_DISTANCE**2)
    return cone, blockable


def _object_light(
    scene: Scene,
    to_object: np.ndarray,
    eye: np.ndarray,
    lamp: np.ndarray,
    size: np.ndarray,
    directions: np.ndarray,
    floor: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the object is seen by rays in these directions (W, 3) of the world: which of them, view, and its light by the white sun and by the
    spot (to be coloured), (M,) each. Eye and lamp, (V, 3) each, are in the object's frame, whose unit of length is ``size`` (V,) in the world.
    The ``floor`` is at this height (V,) of the object's frame, turned upright, and hides what is below; None where nothing is.
    """
    rays = _turn(directions[None], to_object[:, None]).reshape(-1, 3)
    face, distance = scene.hits(np.repeat(eye, len(directions), axis=0), rays)
    hit = np.flatnonzero(face >= 0)
    view, pixel = np.divmod(hit, max(1, len(directions)))
    face, direction = face[hit], rays[hit]

    point = direction * distance[hit, None]
    point += eye[view]
    if floor is not None:
        # The camera is above the floor: a ray that meets the object below it has met the floor before.
        above = np.einsum("ij,ij->i", point, to_object[view, 2]) > floor[view]
        view, pixel, face, direction, point = view[above], pixel[above], face[above], direction[above], point[above]
    normal = scene.normals[face]
    # Faces have two sides: the seen one counts.
    normal *= -np.copysign(np.float32(1), np.einsum("ij,ij->i", normal, direction))[:, None]
    toward = lamp[view] - point
    facing = np.einsum("ij,ij->i", normal, toward)
    lit = np.flatnonzero(facing > 0)
    point = point[lit]
    point += (SHADOW_OFFSET / size)[view[lit], None] * normal[lit]
    lit = lit[~scene.occluded(point, toward[lit])]

    albedo = scene.albedo[face]
    up = np.einsum("ij,ij->i", normal, to_object[view, 2])
    white = albedo * (np.float32(SUN * 2 / 3) + np.float32(SUN / 3) * up)
    toward = toward[lit]
    square = np.einsum("ij,ij->i", toward, toward)
    coloured = np.zeros_like(white)
    # The object is so near the lamp's axis that it lies within the inner angle. (n·toward) / |toward|³ is an inverse square, of lengths in the world.
    strength = np.float32(LIGHT_DISTANCE**2) / np.square(size)
    coloured[lit] = albedo[lit] * facing[lit] * strength[view[lit]] / (square * np.sqrt(square))
    return pixel, view, white, coloured
