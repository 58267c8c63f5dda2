"""The renderer against a naive one: every ray by itself, the object turned instead of the rays, in float64 and plain Python."""

from __future__ import annotations

import colorsys
import itertools
import math

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from contextssl.data.published_latents import RAW_RANGES
from contextssl.data.shapes import normalise, render_views, shape_mesh
from contextssl.data.shapes.render import SPOT, SPOT_INNER, SPOT_OUTER, SUN, hue_colour, light_position, pixel_grid
from contextssl.data.shapes.view_grid import MOVE_RANGES, split_moves
from contextssl.errors import InputError, SettingsError

LOW, HIGH = np.array(RAW_RANGES).T
Vector = tuple[float, float, float]


def sample_raw(seed: int, views: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(LOW, HIGH, (views, 7))


def lumps() -> trimesh.Trimesh:
    """A slab with a tower at one end that throws a shadow on it, each with an albedo of its own."""
    slab = trimesh.creation.box((1.0, 0.6, 0.1))
    tower = trimesh.creation.box((0.2, 0.4, 0.6))
    tower.apply_translation((0.3, -0.1, 0.35))
    faces = np.concatenate([slab.faces, tower.faces + len(slab.vertices)])
    mesh = trimesh.Trimesh(np.concatenate([slab.vertices, tower.vertices]), faces, process=False)
    mesh.face_attributes["albedo"] = np.repeat([0.8, 0.4], 12).astype(np.float32)
    return normalise(mesh)


def dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def minus(a: Vector, b: Vector) -> Vector:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def along(a: Vector, t: float, d: Vector) -> Vector:
    return (a[0] + t * d[0], a[1] + t * d[1], a[2] + t * d[2])


def unit(a: Vector) -> Vector:
    length = math.sqrt(dot(a, a))
    return (a[0] / length, a[1] / length, a[2] / length)


def first_hit(origin: Vector, direction: Vector, triangles: list[list[Vector]], nearest: float) -> tuple[int, float, bool]:
    """Möller and Trumbore's test in a loop: face (-1: none), distance, and whether the ray passes too near an edge to tell."""
    face, best, unsure = -1, math.inf, False
    for index, (a, b, c) in enumerate(triangles):
        edge, other = minus(b, a), minus(c, a)
        p = cross(direction, other)
        determinant = dot(edge, p)
        if abs(determinant) < 1e-12:
            continue
        s = minus(origin, a)
        u = dot(s, p) / determinant
        q = cross(s, edge)
        v, t = dot(direction, q) / determinant, dot(other, q) / determinant
        inside = min(u, v, 1 - u - v)
        unsure |= (abs(inside) < 1e-4 and t > -1e-3) or (inside > 0 and nearest > 0 and abs(t - nearest) < 4e-4)
        if inside >= 0 and nearest < t < best:
            face, best = index, t
    return face, best, unsure


def naive_pixel(
    mesh: trimesh.Trimesh, raw: np.ndarray, row: int, column: int, resolution: int, offset: np.ndarray | None = None, size: float = 1.0
) -> tuple[tuple[float, float, float], bool, str]:
    """The colour of one pixel in [0, 1], whether it is too near an edge to tell, and what is seen."""
    turned = size * np.asarray(mesh.vertices) @ Rotation.from_euler("xyz", raw[:3]).as_matrix().T + (0 if offset is None else offset)
    corners: list[Vector] = [(x, y, z) for x, y, z in turned.tolist()]
    triangles = [[corners[i] for i in face] for face in mesh.faces.tolist()]
    half, slope = math.tan(math.radians(39.6 / 2)), math.sqrt(0.5)
    eye = (0.0, -2.5 * slope, 2.5 * slope)
    x = ((column + 0.5) / resolution * 2 - 1) * half
    y = -((row + 0.5) / resolution * 2 - 1) * half
    direction = unit((x, slope + y * slope, -slope + y * slope))
    theta, phi = raw[4], raw[5]
    lamp = (4 * math.sin(theta) * math.cos(phi), 4 * math.sin(theta) * math.sin(phi), 4 * math.cos(theta))
    lamp_colour = colorsys.hsv_to_rgb(raw[6], 1.0, 0.8)

    face, distance, unsure = first_hit(eye, direction, triangles, 0.0)
    to_floor = (-1 - eye[2]) / direction[2]
    unsure |= abs(distance - to_floor) < 1e-4
    if face >= 0 and distance < to_floor:
        a, b, c = triangles[face]
        normal = unit(cross(minus(b, a), minus(c, a)))
        if dot(normal, direction) > 0:
            normal = (-normal[0], -normal[1], -normal[2])
        shade = float(np.asarray(mesh.face_attributes["albedo"])[face])
        surface, seen, ambient = (shade, shade, shade), "object", SUN * (2 + normal[2]) / 3
    else:
        distance, normal = to_floor, (0.0, 0.0, 1.0)
        surface, seen, ambient = colorsys.hsv_to_rgb(raw[3], 0.6, 0.6), "floor", SUN
    point = along(eye, distance, direction)
    toward = minus(lamp, point)
    to_lamp = math.sqrt(dot(toward, toward))
    toward = unit(toward)
    lambert = dot(normal, toward)
    unsure |= abs(lambert) < 1e-4
    spot = 0.0
    if lambert > 0:
        blocker, _, doubtful = first_hit(point, toward, triangles, 5e-4)
        unsure |= doubtful
        if blocker < 0:
            axis = dot(toward, unit(lamp))
            cone = (axis - math.cos(SPOT_OUTER)) / (math.cos(SPOT_INNER) - math.cos(SPOT_OUTER))
            spot = SPOT * lambert * 16 / to_lamp**2 * min(1.0, max(0.0, cone))
        else:
            seen += " in shadow"
    red, green, blue = (s * (ambient + spot * c) for s, c in zip(surface, lamp_colour, strict=True))
    return (red, green, blue), unsure, seen


def test_every_pixel_is_what_a_naive_loop_over_rays_and_triangles_finds() -> None:
    mesh, raw, resolution = lumps(), sample_raw(4, 10), 26
    images = render_views(mesh, raw, resolution)
    kinds: dict[str, int] = {}
    skipped = 0
    for view in range(len(raw)):
        for row in range(resolution):
            for column in range(resolution):
                expected, unsure, seen = naive_pixel(mesh, raw[view], row, column, resolution)
                if unsure:
                    skipped += 1
                    continue
                kinds[seen] = kinds.get(seen, 0) + 1
                np.testing.assert_allclose(
                    images[view, row, column], 255 * np.clip(expected, 0, 1), atol=0.6, err_msg=f"{seen} {row} {column}"
                )
    assert skipped < 0.01 * len(raw) * resolution**2
    assert set(kinds) == {"object", "object in shadow", "floor", "floor in shadow"}
    assert min(kinds.values()) >= 20


def moved_views(seed: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and sizes in the ranges of grids, and two at their ends."""
    low, high = np.array(MOVE_RANGES).T
    moves = np.random.default_rng(seed).uniform(low, high, (views, 4))
    moves[0], moves[1] = high, (*low[:3], high[3])
    return moves[:, :3], np.exp(moves[:, 3])


def test_every_pixel_of_a_moved_and_resized_object_is_what_the_naive_loop_finds() -> None:
    mesh, raw, resolution = lumps(), sample_raw(9, 8), 22
    offsets, sizes = moved_views(9, 8)
    images = render_views(mesh, raw, resolution, offsets=offsets, sizes=sizes)
    kinds: dict[str, int] = {}
    for view in range(len(raw)):
        for row in range(resolution):
            for column in range(resolution):
                expected, unsure, seen = naive_pixel(mesh, raw[view], row, column, resolution, offsets[view], float(sizes[view]))
                if not unsure:
                    kinds[seen] = kinds.get(seen, 0) + 1
                    np.testing.assert_allclose(
                        images[view, row, column], 255 * np.clip(expected, 0, 1), atol=0.6, err_msg=f"{view} {seen} {row} {column}"
                    )
    assert sum(kinds.values()) > 0.99 * len(raw) * resolution**2
    assert set(kinds) == {"object", "object in shadow", "floor", "floor in shadow"}
    assert min(kinds.values()) >= 20


def test_the_floor_hides_what_sinks_into_it_which_throws_no_shadow_on_it() -> None:
    """As at the largest offsets of 3DIEBench-T."""
    mesh, raw, resolution = lumps(), sample_raw(2, 8), 22
    offsets = np.random.default_rng(2).uniform([-0.15, -0.15, -0.85], [0.15, 0.15, -0.65], (8, 3))
    images = render_views(mesh, raw, resolution, offsets=offsets)
    kinds: dict[str, int] = {}
    for view in range(len(raw)):
        for row in range(resolution):
            for column in range(resolution):
                expected, unsure, seen = naive_pixel(mesh, raw[view], row, column, resolution, offsets[view])
                if not unsure:
                    kinds[seen] = kinds.get(seen, 0) + 1
                    np.testing.assert_allclose(
                        images[view, row, column], 255 * np.clip(expected, 0, 1), atol=0.6, err_msg=f"{view} {seen} {row} {column}"
                    )
    assert sum(kinds.values()) > 0.98 * len(raw) * resolution**2
    assert {"object", "floor", "floor in shadow"} <= set(kinds)


def test_an_object_is_moved_along_its_own_axes() -> None:
    """At a pose of a quarter turn about z its x is the world's y."""
    raw = np.zeros((2, 10))
    raw[:, 2], raw[0, 7], raw[1, 9] = np.pi / 2, 0.3, -0.2
    published, offsets, sizes = split_moves(raw)
    assert offsets is not None and sizes is None
    np.testing.assert_array_equal(published, raw[:, :7])
    np.testing.assert_allclose(offsets, [[0, 0.3, 0], [0, 0, -0.2]], atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), size=st.floats(0.3, 0.7))
def test_moving_the_rays_is_moving_the_mesh(seed: int, size: float) -> None:
    """Within the ball that a mesh must lie in: turned, resized and moved vertices against the same by raw latents, offset and size."""
    mesh, raw = lumps(), sample_raw(seed, 1)
    offset = np.random.default_rng(seed).uniform(-0.08, 0.08, (1, 3))
    moved = mesh.copy()
    moved.vertices = size * mesh.vertices @ Rotation.from_euler("xyz", raw[0, :3]).as_matrix().T + offset
    still = raw.copy()
    still[:, :3] = 0
    close(render_views(mesh, raw, 64, offsets=offset, sizes=np.array([size])), render_views(moved, still, 64))


def test_no_offset_and_a_size_of_one_change_no_bit() -> None:
    mesh, raw = shape_mesh("chair", np.random.default_rng(0)), sample_raw(3, 6)
    plain = render_views(mesh, raw, 64, supersample=2)
    np.testing.assert_array_equal(render_views(mesh, raw, 64, supersample=2, offsets=np.zeros((6, 3)), sizes=np.ones(6)), plain)


def test_moved_views_do_not_depend_on_their_company() -> None:
    mesh, raw = lumps(), sample_raw(1, 40)
    offsets, sizes = moved_views(1, 40)
    together = render_views(mesh, raw, 96, offsets=offsets, sizes=sizes)  # more than one chunk
    for view in (0, 13, 14, 39):
        one = slice(view, view + 1)
        np.testing.assert_array_equal(together[one], render_views(mesh, raw[one], 96, offsets=offsets[one], sizes=sizes[one]))


@pytest.mark.parametrize("corner", list(itertools.product((0, 1), repeat=3)))
def test_the_largest_object_stays_in_the_picture_at_every_offset(corner: tuple[int, int, int]) -> None:
    """Its bounding ball, that is: nothing of it is on the rim of the image."""
    ends = np.array(MOVE_RANGES)
    offsets = ends[np.arange(3), corner][None]
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    pale, dark = ball.copy(), ball.copy()
    pale.face_attributes["albedo"] = np.full(len(ball.faces), 0.9, np.float32)
    dark.face_attributes["albedo"] = np.full(len(ball.faces), 0.1, np.float32)
    images = [render_views(m, np.zeros((1, 7)), 64, offsets=offsets, sizes=np.exp(ends[3, 1:]))[0].astype(int) for m in (pale, dark)]
    rows, columns = np.nonzero((images[0] != images[1]).any(axis=-1))
    assert len(rows) > 500
    assert min(rows.min(), columns.min()) >= 1 and max(rows.max(), columns.max()) <= 62


def close(a: np.ndarray, b: np.ndarray, differing: float = 0.002) -> None:
    """Equal but for one grey level, and for a few pixels whose ray grazes an edge."""
    far = np.abs(a.astype(int) - b.astype(int)) > 1
    assert far.mean() < differing, f"{far.mean():.4f} of the values differ"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_turning_the_rays_is_turning_the_mesh(seed: int) -> None:
    mesh, raw = lumps(), sample_raw(seed, 1)
    turned = mesh.copy()
    turned.vertices = mesh.vertices @ Rotation.from_euler("xyz", raw[0, :3]).as_matrix().T
    still = raw.copy()
    still[:, :3] = 0
    close(render_views(mesh, raw, 48), render_views(turned, still, 48))


def test_rotations_are_extrinsic_about_x_then_y_then_z() -> None:
    mesh, raw = lumps(), sample_raw(0, 1)
    turned = mesh.copy()
    for angle, axis in zip(raw[0, :3], np.eye(3), strict=True):
        turned.apply_transform(trimesh.transformations.rotation_matrix(angle, axis))
    still = raw.copy()
    still[:, :3] = 0
    close(render_views(mesh, raw, 48), render_views(turned, still, 48))


def test_views_do_not_depend_on_their_company() -> None:
    mesh, raw = lumps(), sample_raw(1, 40)
    together = render_views(mesh, raw, 96)  # more than one chunk
    alone = np.concatenate([render_views(mesh, raw[i : i + 1], 96) for i in (0, 13, 14, 39)])
    np.testing.assert_array_equal(together[[0, 13, 14, 39]], alone)


def object_mask(mesh: trimesh.Trimesh, raw: np.ndarray, resolution: int) -> np.ndarray:
    """Where the object itself is seen: what does not stay black under a black floor is not to be had, so two albedos are compared."""
    pale, dark = mesh.copy(), mesh.copy()
    pale.face_attributes["albedo"] = np.full(len(mesh.faces), 0.9, np.float32)
    dark.face_attributes["albedo"] = np.full(len(mesh.faces), 0.1, np.float32)
    return (render_views(pale, raw, resolution) != render_views(dark, raw, resolution)).any(axis=-1)


def test_z_is_up_x_is_right_and_minus_y_is_near() -> None:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.1)
    still = np.array([[0, 0, 0, 0.1, 0, 0, 0.5]])
    places = {}
    for name, centre in {"middle": (0, 0, 0), "up": (0, 0, 0.3), "right": (0.3, 0, 0), "near": (0, -0.3, 0)}.items():
        moved = ball.copy()
        moved.apply_translation(centre)
        mask = object_mask(moved, still, 65)[0]
        rows, columns = np.nonzero(mask)
        places[name] = (rows.mean(), columns.mean(), mask.sum())
    assert places["middle"][:2] == pytest.approx((32, 32), abs=0.1)
    assert places["up"][0] < 25 and places["up"][1] == pytest.approx(32, abs=0.1)
    assert places["right"][1] > 39 and places["right"][0] == pytest.approx(32, abs=0.5)
    assert places["near"][0] > 39 and places["near"][2] > 1.1 * places["middle"][2]


def test_a_ball_is_as_wide_in_the_image_as_the_camera_says() -> None:
    """A ball of radius r at distance 2.5 covers an angle of 2·asin(r / 2.5) of 39.6°."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.4)
    mask = object_mask(ball, np.array([[0, 0, 0, 0.1, 0, 0, 0.5]]), 201)[0]
    expected = 201 * math.tan(math.asin(0.4 / 2.5)) / math.tan(math.radians(39.6 / 2))
    assert mask[100].sum() == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("phi", [0.0, math.pi / 2, math.pi, 1.5 * math.pi])
def test_the_shadow_falls_away_from_the_light(phi: float) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.12)
    lit = render_views(ball, np.array([[0, 0, 0, 0.3, 0.25, phi, 0.0]]), 96)[0].astype(int)
    tiny = trimesh.creation.icosphere(subdivisions=0, radius=1e-3)
    bare = render_views(tiny, np.array([[0, 0, 0, 0.3, 0.25, phi, 0.0]]), 96)[0].astype(int)
    shadow = (bare - lit)[..., 0] > 20
    shadow &= ~object_mask(ball, np.array([[0, 0, 0, 0.3, 0.25, phi, 0.0]]), 96)[0]
    grid = pixel_grid(96)
    middle = np.array([grid.floor_x[shadow.ravel()].mean(), grid.floor_y[shadow.ravel()].mean()])
    # The lamp's ray through the origin meets the floor at -tan θ in the direction of φ.
    expected = -math.tan(0.25) * np.array([math.cos(phi), math.sin(phi)])
    assert shadow.sum() > 50
    np.testing.assert_allclose(middle, expected, atol=0.03)


def test_the_floor_fills_the_frame_and_its_hue_changes_nothing_but_the_floor() -> None:
    mesh, raw = shape_mesh("chair", np.random.default_rng(0)), sample_raw(5, 3)
    other = raw.copy()
    other[:, 3] = (raw[:, 3] + 0.4) % 1
    changed = (render_views(mesh, raw, 64) != render_views(mesh, other, 64)).any(axis=-1)
    np.testing.assert_array_equal(changed, ~object_mask(mesh, raw, 64))


def test_the_light_hue_changes_what_the_light_reaches_and_nothing_in_its_shadow() -> None:
    mesh, raw = lumps(), sample_raw(6, 4)
    raw[:, 6] = 0.0
    other = raw.copy()
    other[:, 6] = 0.5
    red, cyan = render_views(mesh, raw, 64).astype(int), render_views(mesh, other, 64).astype(int)
    assert (red[..., 0] >= cyan[..., 0]).all() and (red[..., 1:] <= cyan[..., 1:]).all()
    same = (red == cyan).all(axis=-1)
    floor = ~object_mask(mesh, raw, 64)
    # On the floor, what stays the same under any light is what the shadow's floor looks like: the sun alone.
    shadow = SUN * 255 * np.stack([colorsys.hsv_to_rgb(h, 0.6, 0.6) for h in raw[:, 3]])
    for view in range(4):
        dark = red[view][same[view] & floor[view]]
        assert len(dark) > 20
        np.testing.assert_allclose(dark, np.broadcast_to(shadow[view], dark.shape), atol=1)
        lit = red[view][~same[view] & floor[view]]
        assert (lit[:, 0] > shadow[view, 0] + 1).mean() > 0.95


def test_supersampling_averages_boxes_of_a_finer_image() -> None:
    mesh, raw = lumps(), sample_raw(8, 3)
    fine = render_views(mesh, raw, 48).astype(float)
    boxes = fine.reshape(3, 16, 3, 16, 3, 3).mean(axis=(2, 4))
    coarse = render_views(mesh, raw, 16, supersample=3)
    np.testing.assert_allclose(coarse, boxes, atol=1.01)
    assert np.abs(coarse - render_views(mesh, raw, 16).astype(float)).max() > 20


def test_images_have_the_shape_and_kind_that_is_promised() -> None:
    images = render_views(lumps(), sample_raw(0, 2), 20, supersample=2)
    assert images.shape == (2, 20, 20, 3) and images.dtype == np.uint8
    assert render_views(lumps(), np.empty((0, 7)), 20).shape == (0, 20, 20, 3)


def test_faces_are_seen_from_both_sides() -> None:
    """A single face, seen from above: its winding changes nothing."""
    face = trimesh.Trimesh([[-0.3, -0.3, 0], [0.3, -0.3, 0], [0, 0.4, 0]], [[0, 1, 2]], process=False)
    back = trimesh.Trimesh(face.vertices, [[2, 1, 0]], process=False)
    raw = np.array([[0, 0, 0, 0.1, 0.2, 0.4, 0.5]])
    assert object_mask(face, raw, 32).sum() > 40
    close(render_views(face, raw, 32), render_views(back, raw, 32))


@given(hue=st.floats(0, 1), saturation=st.floats(0, 1), value=st.floats(0, 1))
def test_hues_are_hsv(hue: float, saturation: float, value: float) -> None:
    np.testing.assert_allclose(hue_colour(np.array(hue), saturation, value), colorsys.hsv_to_rgb(hue, saturation, value), atol=1e-9)


def test_the_light_stands_where_theta_and_phi_say() -> None:
    raw = np.zeros((3, 7))
    raw[1, 4] = math.pi / 4
    raw[2, 4:6] = math.pi / 4, math.pi / 2
    expected = np.array([[0, 0, 4], [math.sqrt(8), 0, math.sqrt(8)], [0, math.sqrt(8), math.sqrt(8)]])
    np.testing.assert_allclose(light_position(raw), expected, atol=1e-12)


def test_bad_input_is_refused_with_the_fix() -> None:
    mesh, raw = lumps(), sample_raw(0, 2)
    large = mesh.copy()
    large.apply_scale(3)
    with pytest.raises(InputError, match="normalise"):
        render_views(large, raw, 16)
    with pytest.raises(InputError, match=r"\(views, 7\)"):
        render_views(mesh, raw[:, :6], 16)
    with pytest.raises(InputError, match="not finite"):
        render_views(mesh, np.full((1, 7), np.nan), 16)
    with pytest.raises(InputError, match="zenith"):
        render_views(mesh, np.array([[0, 0, 0, 0, 2.0, 0, 0]]), 16)
    with pytest.raises(InputError, match="no faces"):
        render_views(trimesh.Trimesh(), raw, 16)
    with pytest.raises(InputError, match=r"offsets \(3, 3\) and sizes \(2,\) must be \(2, 3\) and \(2,\)"):
        render_views(mesh, raw, 16, offsets=np.zeros((3, 3)))
    with pytest.raises(InputError, match="offsets or sizes are not finite"):
        render_views(mesh, raw, 16, sizes=np.array([1, np.inf]))
    with pytest.raises(InputError, match="a size is 0: sizes must be above 0"):
        render_views(mesh, raw, 16, sizes=np.array([1.0, 0.0]))
    with pytest.raises(InputError, match=r"reaches 1\.4 from the origin .* move it less or make it smaller"):
        render_views(mesh, raw, 16, offsets=np.array([[0, 0, 0], [0, 0, -0.9]]))
    with pytest.raises(SettingsError, match="resolution is 0"):
        render_views(mesh, raw, 0)
    with pytest.raises(SettingsError, match="supersample is 0"):
        render_views(mesh, raw, 16, supersample=0)


def test_normalise_centres_and_scales_and_refuses_what_has_no_extent() -> None:
    box = trimesh.creation.box((2.0, 3.0, 6.0))
    box.apply_translation((5, 5, 5))
    normal = normalise(box)
    np.testing.assert_allclose(normal.bounds, np.array([[-1, -1.5, -3], [1, 1.5, 3]]) / 7, atol=1e-12)
    stray = trimesh.Trimesh(np.vstack([box.vertices, [[1e6, 0, 0]]]), box.faces, process=False)  # a vertex that no face uses
    np.testing.assert_allclose(normalise(stray).vertices[:8], normal.vertices, atol=1e-12)
    with pytest.raises(InputError, match="no extent"):
        normalise(trimesh.Trimesh(np.zeros((3, 3)), [[0, 1, 2]], process=False))
    with pytest.raises(InputError, match="not finite"):
        normalise(trimesh.Trimesh(np.array([[0, 0, 0], [1, 0, np.nan], [0, 1, 0]]), [[0, 1, 2]], process=False))
    with pytest.raises(InputError, match="no faces"):
        normalise(trimesh.Trimesh())
