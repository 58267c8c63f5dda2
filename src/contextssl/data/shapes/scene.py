"""A mesh made ready for rays: one acceleration structure that serves every view of an object."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from contextssl.errors import ContextSSLError, InputError
from contextssl.system.room import ensure_room

if TYPE_CHECKING:
    import trimesh

DEFAULT_ALBEDO = 0.8
LEAST_AREA = 1e-9  # of all faces together, of an object of bounding-box diagonal 1
# Where Embree cannot have this for a scene, its threads and their stacks, it ends the process.
EMBREE_BYTES = 192 * 2**20
RADIUS = 0.5  # of the ball about the origin that an object of bounding-box diagonal 1 fits in


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = name.partition(".")[0]
        raise ContextSSLError(
            f"rendering needs trimesh and embreex, and {missing} is not installed: pip install 'contextssl[shapes]'"
        ) from error


def import_trimesh() -> Any:
    """The trimesh package. Raises :class:`ContextSSLError` where it is not installed, saying how to install it."""
    return _import("trimesh")


def require_renderer() -> None:
    """Raises :class:`ContextSSLError` where trimesh or embreex is not installed, saying how to install them."""
    for name in ("trimesh", "embreex.rtcore_scene", "embreex.mesh_construction"):
        _import(name)


def normalise(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """A copy centred at its bounding box's centre and scaled to a bounding-box diagonal of 1.

    Raises:
        InputError: for a mesh without faces, with a vertex that is not finite, of no extent or of no area.
    """
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces)
    if len(faces) == 0 or len(vertices) == 0:
        raise InputError("the mesh has no faces: nothing of it can be seen")
    used = vertices[np.unique(faces)]
    if not np.isfinite(used).all():
        raise InputError("the mesh has vertices that are not finite")
    low, high = used.min(axis=0), used.max(axis=0)
    diagonal = float(np.linalg.norm(high - low))
    if not diagonal > 0:
        raise InputError("the mesh has no extent: all its vertices are one point")
    # Lines drawn as faces: no ray hits them. Relative to the extent, which may be of any unit.
    a, b, c = ((vertices[faces[:, corner]] - low) / diagonal for corner in range(3))
    if float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) < LEAST_AREA:
        raise InputError("the mesh has no area: its faces are lines or points")
    albedo = mesh.face_attributes.get("albedo")
    return import_trimesh().Trimesh(
        (np.where(np.isfinite(vertices), vertices, 0.0) - (low + high) / 2) / diagonal,
        faces,
        face_attributes={} if albedo is None else {"albedo": albedo},
        process=False,
    )


class Scene:
    """What rays need of a mesh: unit face normals and albedos (float32), the radius about the origin, and Embree's structure.

    Args:
        mesh: within the ball of radius 0.5 about the origin, as :func:`normalise` leaves it (turned or not). A face's albedo is
            ``mesh.face_attributes["albedo"]``, in [0, 1]; 0.8 where there is none. Other colours and textures are ignored.

    Raises:
        InputError: for a mesh that is empty, not finite or too large.
    """

    def __init__(self, mesh: trimesh.Trimesh) -> None:
        scene, construction = _import("embreex.rtcore_scene"), _import("embreex.mesh_construction")
        vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float32)
        faces = np.ascontiguousarray(mesh.faces, dtype=np.int32)
        if len(faces) == 0:
            raise InputError("the mesh has no faces: nothing of it can be seen")
        triangles = vertices[faces]
        self.radius = float(np.sqrt(np.square(triangles).sum(axis=-1).max()))
        if not self.radius <= RADIUS * 1.0001:
            raise InputError(f"the mesh reaches {self.radius:.4g} from the origin, not 0.5 at most: call normalise(mesh) first")
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        length = np.sqrt(np.square(normals).sum(axis=1, keepdims=True))
        self.normals = normals / np.where(length > 0, length, 1)
        albedo = mesh.face_attributes.get("albedo")
        self.albedo = np.full(len(faces), DEFAULT_ALBEDO, np.float32) if albedo is None else np.asarray(albedo, dtype=np.float32)
        ensure_room(EMBREE_BYTES)
        self._embree = scene.EmbreeScene()
        construction.TriangleMesh(self._embree, vertices, faces)

    def hits(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First hits of rays (n, 3) float32: the face (n,) int32, -1 for none, and the distance in lengths of the direction (n,)."""
        if len(origins) == 0:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        result = self._embree.run(origins, directions, output=1)
        return result["primID"], result["tfar"]

    def occluded(self, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """True where a ray (n, 3) float32 hits anything at all, (n,)."""
        if len(origins) == 0:
            return np.empty(0, bool)
        return self._embree.run(origins, directions, query="OCCLUDED") >= 0
