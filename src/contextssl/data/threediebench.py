"""3DIEBench: its factors, what its seven rendering latents say of them, and the published folder layout as it lies on disk.

The layout is ``SYNSET/OBJECT/image_{0..V-1}.jpg`` and ``latent_{0..V-1}.npy``, with ``meta/{train,val}_{images,labels}.npy`` beside it.
:mod:`contextssl.data.folder` writes the same layout.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy.spatial.transform import Rotation

from contextssl.data.source import Item
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.factors import COLOR, FLOOR, LIGHT, ROTATION, FactorSpace
from contextssl.files import parse_array, read_array, read_json, storage_error

FACTORS = FactorSpace((ROTATION, COLOR))
# The same six numbers as three factors: what a context of some of them does to the others, and to subsets that training never saw.
THREE_FACTORS = FactorSpace((ROTATION, FLOOR, LIGHT))

# The order of the seven numbers in a latent file, and the range of each.
RAW_LATENTS = ("euler x", "euler y", "euler z", "floor hue", "light theta", "light phi", "light hue")
RAW_RANGES = (
    (-np.pi / 2, np.pi / 2),
    (-np.pi / 2, np.pi / 2),
    (-np.pi / 2, np.pi / 2),
    (0.0, 1.0),
    (0.0, np.pi / 4),
    (0.0, 2 * np.pi),
    (0.0, 1.0),
)
RANGE_TOLERANCE = 1e-4
PUBLISHED_CLASSES = 55

IMAGE_SUFFIXES = (".jpg", ".png", ".webp", ".jpeg")
# What the writer of this layout adds beside the published files: where the data came from, and the class names.
FOLDER_FILE = "folder.json"
# Modes whose pixels are eight bits a channel, so that nothing is cut off on the way to RGB.
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def absolute_latents(raw: np.ndarray) -> np.ndarray:
    """Factor values (..., 6) float32 from raw latents (..., 7): the pose as a quaternion (x, y, z, w; w ≥ 0) and the two hues.

    Euler angles are extrinsic xyz. Relative poses are products of these, see :meth:`contextssl.factors.FactorSpace.relative`.
    """
    raw = np.asarray(raw, dtype=np.float64)
    quaternion = Rotation.from_euler("xyz", raw[..., :3].reshape(-1, 3)).as_quat(canonical=True).reshape(*raw.shape[:-1], 4)
    return np.concatenate([quaternion, raw[..., [3, 6]]], axis=-1).astype(np.float32)


def factors_named(names: Sequence[str] | None) -> FactorSpace:
    """How the six numbers are divided into factors: as published where no names are given.

    Raises:
        SettingsError: for names that are no division of them.
    """
    divisions = (FACTORS, THREE_FACTORS)
    for space in divisions:
        if names is None or tuple(names) == space.names:
            return space
    known = " or ".join(f"[{','.join(space.names)}]" for space in divisions)
    raise SettingsError(f"factors=[{','.join(names or ())}] does not divide the latents of rendered objects: they are {known}")


class ThreeDIEBenchSource:
    """3DIEBench, or any data of its layout, read from its folder; an :class:`~contextssl.data.source.ItemSource`.

    The number of views is read from the disk. Images of any one square resolution and of the kinds JPEG, PNG and WebP are read.

    Args:
        root: the folder that holds ``meta``.
        splits: which splits to read; all that ``meta`` names where left out, and ``train`` must be one of them.
        channels: 3, or 1 to read grey images.
        check_ranges: refuse a latent that is outside the published ranges.

    Raises:
        DataError: where the meta files are missing, damaged or disagree, a label is out of range, a split is empty, an object is listed
            twice, or the first object has no images.
    """

    factors = FACTORS
    raw_width = len(RAW_LATENTS)

    def __init__(self, root: str | Path, splits: Sequence[str] | None = None, channels: int = 3, check_ranges: bool = True) -> None:
        if channels not in (1, 3):
            raise DataError(f"channels={channels}: images are read with 3 channels or 1")
        self.root = Path(root)
        self.channels = channels
        self.check_ranges = check_ranges
        meta = read_meta(self.root, splits)
        for problem in meta.problems():
            raise DataError(problem)
        self.class_names = meta.class_names
        self.splits: Mapping[str, Sequence[Item]] = {
            split: [Item(name, int(label)) for name, label in zip(names, labels, strict=True)]
            for split, (names, labels) in meta.splits.items()
        }
        self._meta_checksum = meta.checksum
        first = self.root / next(iter(self.splits.values()))[0].name
        self.num_views, self._suffix = view_count(first)

    @cached_property
    def description(self) -> dict[str, Any]:
        """Plain values that settle every pixel."""
        return {
            "kind": "3DIEBench folder",
            "root": str(self.root.resolve()),
            "meta_crc32": self._meta_checksum,
            "items": {split: len(items) for split, items in self.splits.items()},
            "views": self.num_views,
            "channels": self.channels,
        }

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """All views of one object: images (V, H, W, C) uint8 at resolution × resolution, and raw latents (V, 7) float64.

        Raises:
            DataError: naming the file that is missing, damaged or out of range.
        """
        if split not in self.splits:
            raise DataError(f"unknown split {split!r}: {nearest(split, self.splits)}")
        folder = self.root / self.splits[split][index].name
        images = np.empty((self.num_views, resolution, resolution, self.channels), np.uint8)
        raw = np.empty((self.num_views, self.raw_width), np.float64)
        for view in range(self.num_views):
            images[view] = read_image(self.find_image(folder, view), resolution, self.channels)
            raw[view] = read_latent(folder / f"latent_{view}.npy", self.check_ranges)
        if (folder / f"latent_{self.num_views}.npy").exists():
            raise DataError(f"{folder} has more than the {self.num_views} views of the first object: give every object the same number")
        return images, raw

    def latents(self, raw: np.ndarray) -> np.ndarray:
        """Absolute factor values (..., 6) float32 from raw latents (..., 7), see :func:`absolute_latents`."""
        return absolute_latents(raw)

    def find_image(self, folder: Path, view: int) -> Path:
        """The image file of a view; one of the first object's kind where there is none, for the error to name."""
        usual = folder / f"image_{view}{self._suffix}"
        if usual.exists():
            return usual
        return next((path for suffix in IMAGE_SUFFIXES if (path := folder / f"image_{view}{suffix}").exists()), usual)


@dataclass(frozen=True)
class Meta:
    """What the files in ``meta`` say: of each split the object folders, without slashes at the ends, and class numbers (n,) int64."""

    root: Path
    splits: dict[str, tuple[list[str], np.ndarray]]
    checksum: int
    given_names: tuple[str, ...] | None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """One name a class: as the writer of the folder left them, or the synset where each class has its own, or ``class i``."""
        if self.given_names is not None:
            return self.given_names
        synsets: dict[int, set[str]] = {}
        for names, labels in self.splits.values():
            for name, label in zip(names, labels.tolist(), strict=True):
                synsets.setdefault(label, set()).add(name.split("/")[0])
        count = 1 + max(synsets, default=-1)
        single = {label: next(iter(found)) for label, found in synsets.items() if len(found) == 1}
        if len(single) < len(synsets) or len(set(single.values())) < len(single):
            single = {}
        return tuple(single.get(label, f"class {label}") for label in range(count))

    def problems(self) -> list[str]:
        """Every fault of the lists themselves: empty split, label out of range, unsafe path, object listed twice or in two splits."""
        found = []
        if self.given_names is not None:
            classes = len(self.given_names)
        else:
            classes = max(PUBLISHED_CLASSES, len({int(label) for _, labels in self.splits.values() for label in labels}))
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
                    found.append(f"{images_file} lists {name!r}, which is no path of an object below {self.root}: mend the list")
                if name in owner:
                    where = f"twice in {split!r}" if owner[name] == split else f"in both {owner[name]!r} and {split!r}"
                    found.append(f"{images_file}: {name} is listed {where}; keep one entry")
                owner[name] = split
        return found


def meta_files(root: Path, split: str) -> tuple[Path, Path]:
    """Where the object paths and the labels of a split are listed."""
    return root / "meta" / f"{split}_images.npy", root / "meta" / f"{split}_labels.npy"


def read_meta(root: Path, splits: Sequence[str] | None = None) -> Meta:
    """Reads ``meta/{split}_images.npy`` and ``meta/{split}_labels.npy``, which are arrays of strings and of whole numbers.

    Args:
        root: the folder that holds ``meta``.
        splits: which ones; all that are there where left out, which must include ``train``.

    Raises:
        DataError: where a file is missing, damaged, a pickle, of the wrong kind, or the two lengths disagree.
    """
    folder = root / "meta"
    if not folder.is_dir():
        raise DataError(
            f"{folder} is missing: {root} should hold meta/train_images.npy, meta/train_labels.npy and the object folders; check the path"
        )
    if splits is None:
        found = {path.name.removesuffix("_images.npy") for path in folder.glob("*_images.npy")}
        found |= {path.name.removesuffix("_labels.npy") for path in folder.glob("*_labels.npy")}
        splits = ["train", *sorted(found - {"train"})]
    lists: dict[str, tuple[list[str], np.ndarray]] = {}
    checksum = 0
    for split in splits:
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
    given = None
    if (folder / FOLDER_FILE).is_file():
        written = read_json(folder / FOLDER_FILE)
        given = tuple(str(name) for name in written["class_names"]) if isinstance(written, dict) and "class_names" in written else None
    return Meta(root, lists, checksum, given)


def view_count(folder: Path) -> tuple[int, str]:
    """How many views the object in ``folder`` has by the highest number of its files, and the suffix of its images.

    Raises:
        DataError: where there is no such folder, or no image in it.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise storage_error(error, folder, "read the object folder", "check that the images lie beside meta, or mend the list") from error
    images = [match for name in names if (match := re.fullmatch(r"image_(\d+)(\.\w+)", name)) and match[2] in IMAGE_SUFFIXES]
    latents = [match for name in names if (match := re.fullmatch(r"latent_(\d+)\.npy", name))]
    if not images:
        raise DataError(
            f"{folder} holds no image_0{IMAGE_SUFFIXES[0]}: an object has image_0, image_1, … and latent_0.npy, latent_1.npy, …"
        )
    return 1 + max(int(match[1]) for match in [*images, *latents]), min(images, key=lambda match: int(match[1]))[2]


def read_image(path: Path, resolution: int | None, channels: int = 3) -> np.ndarray:
    """One image as (resolution, resolution, channels) uint8, or at its own size where ``resolution`` is None.

    A JPEG is decoded straight to the smallest of 1/1, 1/2, 1/4 and 1/8 of its size that is not below the one asked for: its inverse cosine
    transform leaves out the frequencies that do not fit, at half the time, as close to the original as a full decode followed by a filter.
    What remains is Pillow's bicubic filter, widened by the scale so that it does not alias.

    Raises:
        DataError: where the file is missing, cut short, no image, not square, or of more than eight bits a channel.
    """
    try:
        with Image.open(path) as image:
            return _decode(image, path, resolution, channels)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is no image that can be read: copy or render it again") from error
    except OSError as error:
        if error.errno is not None:
            raise storage_error(error, path, "read", "copy or render it again") from error
        raise DataError(f"{path} is damaged or cut short ({error}): copy or render it again") from error
    except (SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged ({error}): copy or render it again") from error


def _decode(image: Image.Image, path: Path, resolution: int | None, channels: int) -> np.ndarray:
    if image.mode not in EIGHT_BIT_MODES:
        raise DataError(f"{path} has pixels of mode {image.mode!r}: save it with eight bits a channel")
    if image.width != image.height:
        raise DataError(f"{path} is {image.width} × {image.height} pixels: views are square, so crop or pad it first")
    mode = "RGB" if channels == 3 else "L"
    if resolution is not None and resolution < image.width:
        image.draft(mode, (resolution, resolution))
    pixels = image.convert(mode)
    if resolution is not None and pixels.width != resolution:
        pixels = pixels.resize((resolution, resolution), Image.Resampling.BICUBIC)
    return np.asarray(pixels).reshape(pixels.height, pixels.width, channels)


# The first 128 bytes of a latent file as NumPy writes it: parsing this header would take longer than reading the file.
_HEADER = io.BytesIO()
np.save(_HEADER, np.zeros(len(RAW_LATENTS)))
_HEADER_BYTES = _HEADER.getvalue()[:-56]


def read_latent(path: Path, check_ranges: bool = True) -> np.ndarray:
    """The seven rendering latents of one view, (7,) float64.

    Raises:
        DataError: where the file is missing or damaged, has another shape, or holds a number that is not finite or out of its range.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise storage_error(error, path, "read", "copy or render it again") from error
    if len(data) == len(_HEADER_BYTES) + 56 and data.startswith(_HEADER_BYTES):
        latent = np.frombuffer(data, np.float64, offset=len(_HEADER_BYTES))
    else:
        latent = parse_array(data, path)
        if latent.shape != (len(RAW_LATENTS),) or latent.dtype.kind != "f":
            raise DataError(
                f"{path} has shape {latent.shape} of {latent.dtype}, not (7,) of float64 ({', '.join(RAW_LATENTS)}): render it again"
            )
        latent = latent.astype(np.float64)
    check_latent(latent, path, check_ranges)
    return latent


_LOWEST = np.array([low for low, _ in RAW_RANGES]) - RANGE_TOLERANCE
_HIGHEST = np.array([high for _, high in RAW_RANGES]) + RANGE_TOLERANCE


def check_latent(latent: np.ndarray, path: Path | str, check_ranges: bool = True) -> None:
    """Raises DataError where one of the seven latents is not finite or, if asked, outside its published range by more than 1e-4."""
    if not np.isfinite(latent).all():
        which = int(np.flatnonzero(~np.isfinite(latent))[0])
        raise DataError(f"{path}: {RAW_LATENTS[which]} is {latent[which]}, not a finite number; copy or render the view again")
    if check_ranges and ((latent < _LOWEST) | (latent > _HIGHEST)).any():
        which = int(np.flatnonzero((latent < _LOWEST) | (latent > _HIGHEST))[0])
        low, high = RAW_RANGES[which]
        raise DataError(
            f"{path}: {RAW_LATENTS[which]} is {latent[which]:.6g}, outside its range {low:.4g} to {high:.4g}; "
            "render the view again, or read with check_ranges=False if it is meant"
        )
