"""3DIEBench: its factors, what its seven rendering latents say of them, and the source that reads its folders.

:mod:`contextssl.data.published_layout` says which folders that is; :mod:`contextssl.data.folder` writes the same layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt64
from PIL import Image, UnidentifiedImageError
from scipy.spatial.transform import Rotation

from contextssl.data.image_bytes import opened_image
from contextssl.data.listed import FILE_BYTES
from contextssl.data.origins import content_mark, digest_of_origins, origins_of
from contextssl.data.published_layout import IMAGE_SUFFIXES, find_published, folder_mark, read_meta, view_count
from contextssl.data.source import Item
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.factors import COLOR, FLOOR, LIGHT, ROTATION, FactorSpace
from contextssl.system.files import array_bytes, parse_array, read_regular, storage_error

FACTORS = FactorSpace((ROTATION, COLOR))
# The same six numbers as three factors: what a context of some of them does to the others, and to subsets that training never saw.
THREE_FACTORS = FactorSpace((ROTATION, FLOOR, LIGHT))

# The order of the seven numbers in a latent file, and the range of each.
RAW_LATENTS = ("euler x", "euler y", "euler z", "floor hue", "light theta", "light phi", "light hue")
RAW_RANGES = (*3 * ((-np.pi / 2, np.pi / 2),), (0.0, 1.0), (0.0, np.pi / 4), (0.0, 2 * np.pi), (0.0, 1.0))
# How far beyond it a number may be.
RANGE_TOLERANCE = 1e-4
_LOWEST, _HIGHEST = np.array(RAW_RANGES).T + np.array([[-RANGE_TOLERANCE], [RANGE_TOLERANCE]])

FORMATS = ("JPEG", "PNG", "WEBP")
# How images are brought to another resolution, by name, and the filter of each.
RESIZES = {"bilinear": Image.Resampling.BILINEAR, "fast": Image.Resampling.BICUBIC}

# Modes whose pixels are eight bits per channel, so that nothing is cut off on the way to RGB.
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


def absolute_latents(raw: np.ndarray) -> np.ndarray:
    """Factor values (..., 6) float32 from raw latents (..., 7): the pose as a quaternion (x, y, z, w; w ≥ 0) and the two hues. Euler angles are
    extrinsic xyz. Relative poses are products of these, see :meth:`contextssl.factors.FactorSpace.relative`.
    """
    raw = np.asarray(raw, dtype=np.float64)
    quaternion = Rotation.from_euler("xyz", raw[..., :3].reshape(-1, 3)).as_quat(canonical=True).reshape(*raw.shape[:-1], 4)
    return np.concatenate([quaternion, raw[..., [3, 6]]], axis=-1).astype(np.float32)


def factors_named(names: Sequence[str] | None) -> FactorSpace:
    """How the six numbers are divided into factors: as published where no names are given. Raises SettingsError for names that are no division of
    them.
    """
    if names is None:
        return FACTORS
    for space in (FACTORS, THREE_FACTORS):
        if tuple(names) == space.names:
            return space
    known = " or ".join(f"[{','.join(space.names)}]" for space in (FACTORS, THREE_FACTORS))
    raise SettingsError(f"factors=[{','.join(names)}] does not divide the latents of rendered objects: they are {known}")


class ThreeDIEBenchSource:
    """3DIEBench, or any data of its layout, read from its folder; an :class:`~contextssl.data.source.ItemSource`.

    The number of views is read from the disk. Images of any one square resolution and of the kinds JPEG, PNG and WebP are read.

    Args:
        root: the folder that holds ``meta``, or the folder of objects next to it.
        splits: which splits to read; default: all that ``meta`` names; ``train`` must be one of them.
        channels: 3, or 1 to read grey images.
        check_ranges: refuse a latent that is outside the published ranges.
        resize: see :func:`read_image`.

    Raises:
        DataError: where the meta files are missing, damaged or disagree, a label is out of range, a split is empty, an object is listed
            twice, or the first object has no images.
    """

    factors = FACTORS
    raw_width = len(RAW_LATENTS)
    latents = staticmethod(absolute_latents)

    def __init__(
        self, root: str | Path, splits: Sequence[str] | None = None, channels: int = 3, check_ranges: bool = True, resize: str = "bilinear"
    ) -> None:
        if channels not in (1, 3):
            raise DataError(f"channels={channels}: images are read with 3 channels or 1")
        if resize not in RESIZES:
            raise SettingsError(f"unknown resize={resize!r}: {nearest(resize, RESIZES)}")
        place = find_published(Path(root))
        self.channels, self.check_ranges, self.resize = channels, check_ranges, resize
        meta = read_meta(place.meta, splits)
        for problem in meta.problems():
            raise DataError(problem)
        self.class_names = meta.class_names
        self.splits: Mapping[str, Sequence[Item]] = {
            split: [Item(name, int(label)) for name, label in zip(names, labels, strict=True)]
            for split, (names, labels) in meta.splits.items()
        }
        self._meta_checksum = meta.checksum
        # The folder of the objects.
        self.root = place.objects_of(meta)
        self.num_views, self._suffix = view_count(self.root / next(iter(self.splits.values()))[0].name)

    @cached_property
    def origins(self) -> UInt64[np.ndarray, " N"]:
        """A mark per object that changes when its files do, in the order of the splits; see :mod:`contextssl.data.origins`."""
        names = [item.name for items in self.splits.values() for item in items]
        return origins_of(names, lambda name: folder_mark(self.root / name), lambda name: self._content(self.root / name))

    def _content(self, folder: Path) -> str:
        try:
            return content_mark(read_regular(self.find_image(folder, 0)))
        except (OSError, DataError):
            return "unreadable"

    @cached_property
    def description(self) -> dict[str, Any]:
        """Plain values that determine every pixel."""
        return {
            "kind": "3DIEBench folder",
            "root": str(self.root.resolve()),
            "meta_crc32": self._meta_checksum,
            "resize": self.resize,
            "files": digest_of_origins(self.origins),
            "items": {split: len(items) for split, items in self.splits.items()},
            "views": self.num_views,
            "channels": self.channels,
        }

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """All views of one object: images (V, H, W, C) uint8 at resolution × resolution, and raw latents (V, 7) float64. Raises DataError naming
        the file that is missing, damaged or out of range.
        """
        if split not in self.splits:
            raise DataError(f"unknown split {split!r}: {nearest(split, self.splits)}")
        folder = self.root / self.splits[split][index].name
        images = np.empty((self.num_views, resolution, resolution, self.channels), np.uint8)
        raw = np.empty((self.num_views, self.raw_width), np.float64)
        for view in range(self.num_views):
            images[view] = read_image(self.find_image(folder, view), resolution, self.channels, self.resize)
            raw[view] = read_latent(folder / f"latent_{view}.npy", self.check_ranges)
        if (folder / f"latent_{self.num_views}.npy").exists():
            raise DataError(f"{folder} has more than the {self.num_views} views of the first object: give every object the same number")
        return images, raw

    def find_image(self, folder: Path, view: int) -> Path:
        """The image file of a view; one of the first object's kind where there is none, for the error to name."""
        paths = [folder / f"image_{view}{suffix}" for suffix in (self._suffix, *IMAGE_SUFFIXES)]
        return next((path for path in paths if path.exists()), paths[0])


def read_image(path: Path, resolution: int | None, channels: int = 3, resize: str = "bilinear") -> np.ndarray:
    """One image as (resolution, resolution, channels) uint8, or at its own size where ``resolution`` is None.

    Args:
        resize: ``"bilinear"`` is Pillow's bilinear filter on the whole image, widened by the scale so that it does not alias: what torchvision's
            ``Resize`` does to a Pillow image, and so what the published models were trained on. ``"fast"`` decodes a JPEG straight to the
            smallest of 1/1, 1/2, 1/4 and 1/8 of its size that is not below the one asked for, whose inverse cosine transform leaves out the
            frequencies that do not fit, then takes the bicubic filter.

    Raises:
        DataError: where the file is missing, cut short, no image, not square, or of more than eight bits per channel.
    """
    try:
        with opened_image(read_regular(path, FILE_BYTES), FORMATS) as image:
            return _decode(image, path, resolution, channels, resize)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is no image that can be read: copy or render it again") from error
    except OSError as error:
        if error.errno is not None:
            raise storage_error(error, path, "read", "copy or render it again") from error
        raise DataError(f"{path} is damaged or cut short ({error}): copy or render it again") from error
    except (SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        if isinstance(error, DataError) and str(path) in str(error):
            raise
        raise DataError(f"{path} is damaged ({error}): copy or render it again") from error


def _decode(image: Image.Image, path: Path, resolution: int | None, channels: int, resize: str) -> np.ndarray:
    if image.mode not in EIGHT_BIT_MODES:
        raise DataError(f"{path} has pixels of mode {image.mode!r}: save it with eight bits per channel")
    if image.width != image.height:
        raise DataError(f"{path} is {image.width} × {image.height} pixels: views are square, so crop or pad it first")
    mode, size = "RGB" if channels == 3 else "L", resolution or image.width
    if resize == "fast" and size < image.width:
        image.draft(mode, (size, size))
    pixels = image.convert(mode)
    if pixels.width != size:
        pixels = pixels.resize((size, size), RESIZES[resize])
    return np.asarray(pixels).reshape(size, size, channels)


# The first 128 bytes of a latent file as NumPy writes it: parsing this header would take longer than reading the file.
_HEADER_BYTES = array_bytes(np.zeros(len(RAW_LATENTS)))[:-56]


def read_latent(path: Path, check_ranges: bool = True) -> np.ndarray:
    """The seven rendering latents of one view, (7,) float64. Raises DataError where the file is missing or damaged, has another shape, or holds a
    number that is not finite or out of its range.
    """
    try:
        data = read_regular(path)
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

    for which in np.flatnonzero(~np.isfinite(latent)):
        raise DataError(f"{path}: {RAW_LATENTS[which]} is {latent[which]}, not a finite number; copy or render the view again")
    for which in np.flatnonzero((latent < _LOWEST) | (latent > _HIGHEST)) if check_ranges else ():
        low, high = RAW_RANGES[which]
        raise DataError(
            f"{path}: {RAW_LATENTS[which]} is {latent[which]:.6g}, outside its range {low:.4g} to {high:.4g}; "
            "render the view again, or read with check_ranges=False if it is meant"
        )
    return latent


def packed_folder(root: Path, resolution: int, resize: str) -> Path:
    """The default place of the store: next to its objects."""
    return root / (f"packed-{resolution}" if resize == "bilinear" else f"packed-{resolution}-{resize}")
