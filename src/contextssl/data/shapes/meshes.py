"""A folder of mesh files, one folder a class: listing, splitting and loading them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contextssl.data.shapes.scene import import_trimesh, normalise
from contextssl.errors import DataError, InputError

if TYPE_CHECKING:
    import trimesh


def stable_hash(*words: object) -> int:
    """A 64-bit number that settles nothing but these words, the same in every process."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, words)).encode()).digest()[:8], "big")


def list_meshes(folder: Path) -> dict[str, dict[str, Path]]:
    """The mesh files of each class: class name → item name → file, in alphabetical order.

    An item is called after its file's path below ``folder``, without the suffix where that is unique: ``chair/oak`` for ``chair/oak.obj``.
    A class is a folder directly below ``folder``; its files may lie at any depth. Hidden folders and files of other kinds are passed over.

    Raises:
        DataError: for a folder that is missing, that holds no class folders, or a class folder without a mesh.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of meshes; meshes=DIR holds one folder of mesh files a class")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise DataError(f"{folder}: no class folders in it; meshes=DIR holds one folder of mesh files a class, such as {folder / 'chair'}")
    formats = set(import_trimesh().exchange.load.mesh_formats())
    listing: dict[str, dict[str, Path]] = {}
    for path in classes:
        files = sorted(file for file in path.rglob("*") if file.suffix[1:].lower() in formats and file.is_file())
        if not files:
            raise DataError(f"{path}: no mesh file in this class folder; formats that can be read here: {', '.join(sorted(formats))}")
        names = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
        count = Counter(names)
        listing[path.name] = {
            name if count[name] == 1 else file.relative_to(folder).as_posix(): file for name, file in zip(names, files, strict=True)
        }
    return listing


def split_names(names: Sequence[str], seed: int, train: int | None, val: int) -> tuple[list[str], list[str]]:
    """Names for training and for validation, in an order that depends on the seed and each name alone: the first ``val`` validate.

    So asking for more training objects keeps the earlier ones, and a file that is added moves at most one other from split to split.
    """
    order = sorted(names, key=lambda name: (stable_hash("split", seed, name), name))
    rest = order[val:]
    return rest[:train], order[:val]


def load_mesh(path: Path) -> trimesh.Trimesh:
    """A mesh file as one mesh, centred and scaled; whatever the file says of materials and colours is left out.

    Raises:
        DataError: naming the file, where it cannot be read or holds no surface.
    """
    try:
        loaded = import_trimesh().load(path, force="mesh", process=False)
        vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    except Exception as error:  # each of trimesh's readers fails in its own way
        raise DataError(f"{path}: cannot be read as a mesh ({type(error).__name__}: {error}); mend the file or take it out") from error
    try:
        return normalise(import_trimesh().Trimesh(vertices, faces.reshape(-1, 3), process=False))
    except (InputError, IndexError) as error:
        raise DataError(f"{path}: {error}; mend the file or take it out") from error
