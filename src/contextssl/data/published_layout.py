"""The published folder layout as it lies on disk: the lists in ``meta``, and the folder of each object.

``meta/{train,val}_{images,labels}.npy`` lie next to the synsets, or, as the published code expects it, next to one folder ``3DIEBench`` that holds
them. An object is ``SYNSET/OBJECT/image_{0..V-1}.jpg`` and ``latent_{0..V-1}.npy``.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.system.digested_json import read_digested
from contextssl.system.files import read_array, storage_error

PUBLISHED_CLASSES = 55
# The folder of the objects in the published layout, and how many of the listed ones are looked for.
PUBLISHED_FOLDER = "3DIEBench"
FEW = 5
IMAGE_SUFFIXES = (".jpg", ".png", ".webp", ".jpeg")
# What the writer of this layout adds to the published files: where the data came from, and the class names.
FOLDER_FILE = "folder.json"


@dataclass(frozen=True)
class Meta:
    """What the files in ``meta`` say: of each split the object folders, without slashes at the ends, and class numbers (n,) int64."""

    root: Path
    splits: dict[str, tuple[list[str], np.ndarray]]
    checksum: int
    given_names: tuple[str, ...] | None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """One name per class: as the writer of the folder left them, or the synset where each class has its own, or ``class i``."""
        if self.given_names is not None:
            return self.given_names
        listed = ((name, label) for names, labels in self.splits.values() for name, label in zip(names, labels.tolist(), strict=True))
        pairs = {(label, name.split("/")[0]) for name, label in listed}
        synset_of = dict(pairs)
        if len(pairs) > min(len(synset_of), len({synset for _, synset in pairs})):
            synset_of = {}
        return tuple(synset_of.get(label, f"class {label}") for label in range(1 + max((label for label, _ in pairs), default=-1)))

    def problems(self) -> list[str]:
        """Every fault of the lists themselves: empty split, label out of range, unsafe path, object listed twice or in two splits."""
        found = []
        used = {label for _, labels in self.splits.values() for label in labels.tolist()}
        classes = max(PUBLISHED_CLASSES, len(used)) if self.given_names is None else len(self.given_names)
        owner: dict[str, str] = {}
        for split, (names, labels) in self.splits.items():
            images_file, labels_file = meta_files(self.root, split)
            if not names:
                found.append(f"{images_file} is empty: the split {split!r} needs at least one object; list some, or remove both its files")
            for name, label in zip(names, labels.tolist(), strict=True):
                if not 0 <= label < classes:
                    found.append(f"label {label} of {name} in {labels_file} is out of range: class numbers go from 0 to {classes - 1}")
                parts = PurePosixPath(name).parts
                if not parts or ".." in parts or "\\" in name or "\0" in name:
                    found.append(f"{images_file} lists {name!r}, which is no path of an object below {self.root}: fix the list")
                if name in owner:
                    where = f"twice in {split!r}" if owner[name] == split else f"in both {owner[name]!r} and {split!r}"
                    found.append(f"{images_file}: {name} is listed {where}; keep one entry")
                owner[name] = split
        return found


@dataclass(frozen=True)
class Published:
    """Where a data set of the published layout lies.

    Args:
        meta: the folder that holds ``meta``.
        objects: the folders that the lists in ``meta`` may be relative to, the likeliest first.
    """

    meta: Path
    objects: tuple[Path, ...]

    def objects_of(self, meta: Meta) -> Path:
        """Which of them holds the objects that ``meta`` lists: the first that has one of a few. Raises DataError where none has."""
        names = [name for listed, _ in meta.splits.values() for name in listed[:FEW]]
        for folder in self.objects:
            if any((folder / name).is_dir() for name in names):
                return folder
        where = " nor in ".join(str(folder) for folder in self.objects)
        listed = f" (meta lists {names[0]})" if names else ""
        raise DataError(
            f"the object folders are not in {where}{listed}: unpack 3DIEBench.tar there, or fix the lists in {self.meta / 'meta'}"
        )


def find_published(root: Path) -> Published:
    """Where ``meta`` and the objects are, from the folder that holds either. Raises DataError where there is no ``meta``."""
    if (root / "meta").is_dir():
        return Published(root, (root, root / PUBLISHED_FOLDER))
    above = root.absolute().parent
    if root.is_dir() and (above / "meta").is_dir():
        return Published(above, (root,))
    if not root.is_dir():
        where = "" if root.is_absolute() else f" (that is {root.absolute()})"
        raise DataError(f"{root / 'meta'} is missing: there is no folder {root}{where}; check the path")
    raise DataError(
        f"{root / 'meta'} is missing: {root} should hold meta/train_images.npy, meta/train_labels.npy and the object folders (or 3DIEBench/ with "
        "them), or be that 3DIEBench/ next to meta/; the published archive holds no meta: copy data/*.npy of github.com/facebookresearch/SIE there"
    )


def is_published(path: Path) -> bool:
    """Whether a folder is of the published layout: it holds ``meta``, or is the folder ``3DIEBench`` next to it."""
    return (path / "meta").is_dir() or (path.name == PUBLISHED_FOLDER and (path.absolute().parent / "meta").is_dir())


def folder_mark(folder: Path) -> str:
    """Names, sizes and times of change of an object's files, in a digest; ``"missing"`` where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            files = sorted(f"{entry.name} {(status := entry.stat()).st_size} {status.st_mtime_ns}" for entry in entries)
    except OSError:
        return "missing"
    return digest_of_bytes(["\n".join(files)], digits=64)


def meta_files(root: Path, split: str) -> tuple[Path, Path]:
    """Where the object paths and the labels of a split are listed."""
    return root / "meta" / f"{split}_images.npy", root / "meta" / f"{split}_labels.npy"


def read_meta(root: Path, splits: Sequence[str] | None = None) -> Meta:
    """Reads ``meta/{split}_images.npy`` and ``meta/{split}_labels.npy`` in ``root``, which are arrays of strings and of whole numbers.

    Default of ``splits``: all that are there, which must include ``train``. Raises DataError where a file is missing, damaged, a pickle, of the
    wrong kind, or the two lengths disagree.
    """
    lists: dict[str, tuple[list[str], np.ndarray]] = {}
    checksum = 0
    for split in listed_splits(root) if splits is None else splits:
        images_file, labels_file = meta_files(root, split)
        for path in (images_file, labels_file):
            if not path.is_file():
                raise DataError(
                    f"{path} is missing: copy it from the published data set, or run the same command again if the folder was being written"
                )
        names, labels = read_array(images_file), read_array(labels_file)
        if names.dtype.kind == "S":
            names = np.char.decode(names, "utf-8")
        if names.ndim != 1 or names.dtype.kind != "U":
            raise DataError(
                f"{images_file} should hold a list of paths such as '/02691156/dc8d…/', not {names.dtype} of shape {names.shape}"
            )
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(f"{labels_file} should hold a list of whole class numbers, not {labels.dtype} of shape {labels.shape}")
        if len(names) != len(labels):
            raise DataError(f"{images_file} lists {len(names)} objects but {labels_file} {len(labels)} labels: copy the matching pair")
        lists[split] = ([name.strip("/") for name in names.tolist()], labels.astype(np.int64))
        checksum = zlib.crc32(labels_file.read_bytes(), zlib.crc32(images_file.read_bytes(), checksum))
    given, about = None, root / "meta" / FOLDER_FILE
    if about.is_file():
        written = read_digested(about, "write the folder again, or remove that file, which only names the classes").get("class_names")
        if written is not None and not isinstance(written, list):
            raise DataError(f"{about} is damaged (its class_names are no list): write the folder again, or remove that file")
        given = None if written is None else tuple(str(name) for name in written)
    return Meta(root, lists, checksum, given)


def listed_splits(root: Path) -> list[str]:
    """The splits that ``meta`` has a file of, and ``train`` first, which it should have."""
    found = {path.name[: -len("_images.npy")] for part in ("images", "labels") for path in (root / "meta").glob(f"*_{part}.npy")}
    return ["train", *sorted(split for split in found if split != "train" and not split.startswith("."))]


def view_count(folder: Path) -> tuple[int, str]:
    """How many views the object in ``folder`` has by the highest number of its files, and the suffix of its images. Raises DataError where there
    is no such folder, or no image in it.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise storage_error(error, folder, "read the object folder", "check that the images lie next to meta, or fix the list") from error
    images = [match for name in names if (match := re.fullmatch(r"image_([0-9]+)(\.\w+)", name)) and match[2] in IMAGE_SUFFIXES]
    latents = [match for name in names if (match := re.fullmatch(r"latent_([0-9]+)\.npy", name))]
    if not images:
        raise DataError(
            f"{folder} holds no image_0{IMAGE_SUFFIXES[0]}: an object has image_0, image_1, … and latent_0.npy, latent_1.npy, …"
        )
    return 1 + max(int(match[1]) for match in [*images, *latents]), min(images, key=lambda match: int(match[1]))[2]
