"""Every built-in class: well-formed, varied, and never equal to itself turned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from contextssl.data.shapes import CLASSES, render_views, shape_mesh
from contextssl.errors import SettingsError

# Views from several sides, under one light: (Euler angles).
VIEWPOINTS = [(0.0, 0.0, 0.0), (0.6, 0.0, 0.9), (-1.0, 0.5, -1.2)]


def views_of(mesh: trimesh.Trimesh, turn: Rotation) -> np.ndarray:
    """A mesh turned in its own frame, then seen from each viewpoint."""
    turned = mesh.copy()
    turned.vertices = turn.apply(mesh.vertices)
    return render_views(turned, np.array([[*pose, 0.6, 0.5, 0.8, 0.1] for pose in VIEWPOINTS]), 32).astype(int)


def quarter_turns() -> list[Rotation]:
    """The 23 rotations that map a cube onto itself, without the identity: half turns about each axis are among them."""
    return [turn for turn in Rotation.create_group("O") if turn.magnitude() > 1e-6]


def test_there_are_at_least_twenty_classes() -> None:
    assert len(CLASSES) >= 20
    assert len(set(CLASSES.values())) == len(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_a_mesh_is_normal_and_sound(name: str) -> None:
    for seed in range(8):
        mesh = shape_mesh(name, np.random.default_rng(seed))
        low, high = mesh.bounds
        np.testing.assert_allclose(low + high, 0, atol=1e-9)
        assert np.linalg.norm(high - low) == pytest.approx(1)
        assert np.isfinite(mesh.vertices).all()
        assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
        assert mesh.area_faces.min() > 1e-9
        assert 20 < len(mesh.faces) < 6000
        albedo = np.asarray(mesh.face_attributes["albedo"])
        assert albedo.shape == (len(mesh.faces),) and albedo.min() >= 0.2 and albedo.max() <= 0.9


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_never_looks_like_itself_turned(name: str) -> None:
    """For all 23 quarter and half turns: at least a fifth of the pixels where the object or its shadow is change notably."""
    for seed in range(2):
        mesh = shape_mesh(name, np.random.default_rng(seed))
        plain = views_of(mesh, Rotation.identity())
        bare = views_of(trimesh.creation.icosphere(subdivisions=0, radius=1e-4), Rotation.identity())
        seen = (plain != bare).any(axis=-1).sum()
        for turn in quarter_turns():
            changed = (np.abs(plain - views_of(mesh, turn)).max(axis=-1) > 15).sum()
            assert changed > 0.2 * seen, f"{name}, seed {seed}: {turn.as_rotvec(degrees=True).round()} changes {changed} of {seen} pixels"


@pytest.mark.parametrize("name", CLASSES)
def test_objects_of_a_class_differ_in_their_proportions(name: str) -> None:
    extents = np.array([np.ptp(shape_mesh(name, np.random.default_rng(seed)).bounds, axis=0) for seed in range(12)])
    assert (extents.std(axis=0) > 0.01).all()


def test_the_generator_settles_the_mesh() -> None:
    first, second = (shape_mesh("ship", np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.faces, second.faces)


def test_classes_look_different_from_one_another() -> None:
    views = {name: views_of(shape_mesh(name, np.random.default_rng(0)), Rotation.identity()) for name in CLASSES}
    for one, other in itertools.combinations(CLASSES, 2):
        assert (np.abs(views[one] - views[other]).max(axis=-1) > 15).mean() > 0.02, (one, other)


def test_an_unknown_class_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'teapot'"):
        shape_mesh("teapots", np.random.default_rng(0))
