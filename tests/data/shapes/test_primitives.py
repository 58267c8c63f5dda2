"""Each kind of part is closed, faces outwards and holds the volume that it should."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from contextssl.data.shapes.primitives import Solid, arc, rotation_matrix

POLYGON = 0.5 * 64 * np.sin(2 * np.pi / 64)  # the area of a circle of radius 1 drawn with 64 segments

PARTS: dict[str, tuple[Callable[[Solid], None], float]] = {
    "box": (lambda s: s.box((0.2, 0.3, 0.4), (1, 2, 3), turn=(20, 30, 40)), 0.024),
    "block": (lambda s: s.block((1, 1), (0.5, 0.5), 0.6, (0, 0, 0), shift=(0.3, 0)), 0.6 / 3 * (1 + 0.25 + 0.5)),
    "disc": (lambda s: s.disc(0.5, 0.2, (0, 0, 0), turn=(0, 90, 0), segments=64), POLYGON * 0.25 * 0.2),
    "cone": (lambda s: s.rod((0, 0, 0), (0, 0, 2), 0.5, end_radius=0, segments=64), POLYGON * 0.25 * 2 / 3),
    "rod": (lambda s: s.rod((0.1, 0.2, 0.3), (0.1, 1.2, 0.3), 0.1, segments=64), POLYGON * 0.01),
    "ball": (lambda s: s.ball((0.5, 0.4, 0.3), (1, 0, 0), segments=64), 4 / 3 * np.pi * 0.06),
    "ring": (lambda s: s.ring(1.0, 0.1, (0, 0, 0), (0, 1, 0), segments=64), 2 * np.pi * 4 * np.sin(np.pi / 4) * 2 * 0.01 / 2),
    "tube": (lambda s: s.tube(np.array([(0, 0, 0), (0, 0, 1.0), (0, 0, 2)]), (1, 0, 0), 0.1, segments=64), POLYGON * 0.02),
    "plate": (lambda s: s.plate(np.array([(0, 0), (2, 0), (2, 1), (0, 1)]), 0.1, (0, 0, 0)), 0.2),
    "lathe": (lambda s: s.lathe([(0, 0), (1, 0), (1, 1), (0.5, 1), (0.5, 0.5), (0, 0.5)], (0, 0, 0), segments=64), POLYGON * (1 - 0.125)),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_closed_faces_outwards_and_holds_its_volume(name: str) -> None:
    build, volume = PARTS[name]
    solid = Solid()
    build(solid)
    mesh = solid.mesh()
    assert np.asarray(mesh.face_attributes["albedo"]).shape[0] == len(mesh.faces)
    mesh.merge_vertices()
    assert mesh.is_watertight
    assert (mesh.area_faces > 0).all()
    assert mesh.volume == pytest.approx(volume, rel=0.01)


def test_parts_add_up_and_keep_their_albedos() -> None:
    solid = Solid()
    solid.box((1, 1, 1), (0, 0, 0), 0.3)
    solid.box((1, 1, 1), (3, 0, 0), 0.7)
    mesh = solid.mesh()
    assert mesh.volume == pytest.approx(2)
    right = mesh.triangles_center[:, 0] > 1.5
    np.testing.assert_allclose(np.asarray(mesh.face_attributes["albedo"]), np.where(right, 0.7, 0.3), rtol=1e-6)


def test_angles_are_extrinsic_xyz() -> None:
    np.testing.assert_allclose(rotation_matrix((20, -50, 130)), Rotation.from_euler("xyz", (20, -50, 130), degrees=True).as_matrix())


def test_an_arc_begins_and_ends_where_its_angles_say() -> None:
    path = arc((1, 2, 3), (0.5, 0.25), 0, 90, "xz", 5)
    assert path.shape == (5, 3)
    np.testing.assert_allclose(path[[0, -1]], [(1.5, 2, 3), (1, 2, 3.25)])
