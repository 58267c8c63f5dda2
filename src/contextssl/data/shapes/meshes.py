"""A folder of mesh files, one folder per class: listing, splitting and loading them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contextssl.data.layout import is_hidden
from contextssl.data.origins import file_mark
from contextssl.data.shapes.scene import import_trimesh, normalise
from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError, InputError

if TYPE_CHECKING:
    import trimesh

# Files of shapes that trimesh reads with further packages or not at all.
OTHER_MESHES = (
    *(".step", ".stp", ".iges", ".igs", ".brep", ".fbx", ".blend", ".dae", ".3ds", ".3mf"),
    *(".usd", ".usda", ".usdc", ".usdz", ".max", ".ma", ".mb", ".skp", ".wrl", ".x3d"),
)


def stable_hash(*words: object) -> int:
    """A 64-bit number of these words, the same in every process."""
    return int(digest_of_bytes(["\0".join(map(str, words))]), base=16)


def list_meshes(folder: Path) -> dict[str, dict[str, Path]]:
    """The mesh files of each class: class name → item name → file, in alphabetical order.

    An item is called after its file's path below ``folder``, without the suffix where that is unique: ``chair/oak`` for ``chair/oak.obj``.
    A class is a folder directly below ``folder``; its files may lie at any depth. Hidden files and folders, what macOS adds (``._1.obj``,
    ``__MACOSX``) and files of other kinds are passed over.

    Raises:
        DataError: for a folder that is missing, that holds no class folders, or a class folder without a mesh.
    """
    layout = "meshes=DIR holds one folder of mesh files per class"
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of meshes; {layout}")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))
    if not classes:
        raise DataError(f"{folder}: no class folders in it; {layout}, such as {folder / 'chair'}")
    formats = _formats()
    listing: dict[str, dict[str, Path]] = {}
    for path in classes:
        files = [file for file in _files(path) if file.suffix[1:].lower() in formats]
        if not files:
            more = f" (it holds {unread})" if (unread := _unread(_files(path))) else ""
            raise DataError(f"{path}: no mesh file in this class folder{more}; formats that can be read here: {', '.join(sorted(formats))}")
        count = Counter(file.with_suffix("") for file in files)
        named = ((file.with_suffix("") if count[file.with_suffix("")] == 1 else file, file) for file in files)
        listing[path.name] = {name.relative_to(folder).as_posix(): file for name, file in named}
    return listing


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if not is_hidden(file.relative_to(folder).as_posix()) and file.is_file())


def _formats() -> set[str]:
    """The suffixes that trimesh reads here, without their dots."""
    return set(import_trimesh().exchange.load.mesh_formats())


def unread_meshes(folder: Path) -> str | None:
    """Files of shapes that cannot be read here, counted by their kind; None where there are none."""
    return _unread([file for file in _files(folder) if file.parent != folder])


def _unread(files: Sequence[Path]) -> str | None:
    others = set(OTHER_MESHES) - {f".{name}" for name in _formats()}
    kinds = Counter(suffix for file in files if (suffix := file.suffix.lower()) in others)
    return " and ".join(f"{count:,} file{'s' if count > 1 else ''} {suffix}" for suffix, count in kinds.most_common()) or None


def mesh_mark(path: Path) -> str:
    """A mark that changes when a mesh file does; of glTF its binary files too."""
    binaries = sorted(path.parent.glob("*.bin")) if path.suffix.lower() == ".gltf" else []
    return " ".join(file_mark(file) for file in (path, *binaries))


def split_names(names: Sequence[str], seed: int, train: int | None, val: int) -> tuple[list[str], list[str]]:
    """Names for training and for validation, in an order that depends on the seed and each name alone: the first ``val`` validate.

    So asking for more training objects keeps the earlier ones, and a file that is added moves at most one other from split to split.
    """
    order = sorted(names, key=lambda name: (stable_hash("split", seed, name), name))
    return order[val:][:train], order[:val]


def load_mesh(path: Path) -> trimesh.Trimesh:
    """A mesh file as one mesh, centred and scaled, without materials and colours; raises DataError where it cannot be read or has no surface."""
    try:
        loaded = import_trimesh().load(path, force="mesh", process=False)
        vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    except Exception as error:  # trimesh's loaders raise many kinds
        raise DataError(f"{path}: cannot be read as a mesh ({type(error).__name__}: {error}); fix the file or take it out") from error
    try:
        return normalise(import_trimesh().Trimesh(vertices, faces.reshape(-1, 3), process=False))
    except (InputError, IndexError) as error:
        raise DataError(f"{path}: {error}; fix the file or take it out") from error
