"""Sources that read the folders of 3DIEBench, 3DIEBench-T and 3DIEBench-OOD.

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

from contextssl.data.image_bytes import opened_image
from contextssl.data.listed import FILE_BYTES
from contextssl.data.origins import content_mark, digest_of_origins, origins_of
from contextssl.data.published_latents import WIDTHS, absolute_latents, read_latent, width_of
from contextssl.data.published_layout import IMAGE_SUFFIXES, PUBLISHED_FOLDER, find_published, folder_mark, read_meta, view_count
from contextssl.data.source import Item
from contextssl.data.views import Views
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.system.files import read_regular, storage_error

FORMATS = ("JPEG", "PNG", "WEBP")
# How images are brought to another resolution, by name, and the filter of each.
RESIZES = {"bilinear": Image.Resampling.BILINEAR, "fast": Image.Resampling.BICUBIC}

# Modes whose pixels are eight bits per channel, so that nothing is cut off on the way to RGB.
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class ObjectFolders:
    """Objects in folders of the published layout, by name; an :class:`~contextssl.data.source.ItemSource`.

    The number of views, and whether a view has the seven latents of 3DIEBench or the ten of 3DIEBench-T, is that of the first object. Images of any
    one square resolution and of the kinds JPEG, PNG and WebP are read.

    Args:
        root: the folder of the objects.
        splits: the objects of each split; an object's name is its folder below ``root``.
        listed_by: plain values that say where the names are from.
        channels: 3, or 1 to read grey images.
        check_ranges: refuse a latent that is outside the published ranges.
        resize: see :func:`read_image`.

    Raises:
        DataError: where the first object has no images.
    """

    def __init__(
        self,
        root: Path,
        splits: Mapping[str, Sequence[Item]],
        class_names: tuple[str, ...],
        listed_by: Mapping[str, Any],
        channels: int = 3,
        check_ranges: bool = True,
        resize: str = "bilinear",
    ) -> None:
        if channels not in (1, 3):
            raise DataError(f"channels={channels}: images are read with 3 channels or 1")
        if resize not in RESIZES:
            raise SettingsError(f"unknown resize={resize!r}: {nearest(resize, RESIZES)}")
        self.root, self.splits, self.class_names, self.listed_by = root, splits, class_names, listed_by
        self.channels, self.check_ranges, self.resize = channels, check_ranges, resize
        first = root / next(iter(splits.values()))[0].name
        self.num_views, self._suffix = view_count(first)
        self.raw_width = width_of(first / "latent_0.npy")
        self.factors = WIDTHS[self.raw_width]

    def latents(self, raw: np.ndarray) -> np.ndarray:
        """Factor values (..., A) float32 from raw latents (..., R)."""
        return absolute_latents(raw)

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
            **self.listed_by,
            "resize": self.resize,
            "files": digest_of_origins(self.origins),
            "items": {split: len(items) for split, items in self.splits.items()},
            "views": self.num_views,
            "channels": self.channels,
        }

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """All views of one object: images (V, H, W, C) uint8 at resolution × resolution, and raw latents (V, R) float64. Raises DataError naming
        the file that is missing, damaged or out of range.
        """
        if split not in self.splits:
            raise DataError(f"unknown split {split!r}: {nearest(split, self.splits)}")
        folder = self.root / self.splits[split][index].name
        images = np.empty((self.num_views, resolution, resolution, self.channels), np.uint8)
        raw = np.empty((self.num_views, self.raw_width), np.float64)
        for view in range(self.num_views):
            images[view] = read_image(self.find_image(folder, view), resolution, self.channels, self.resize)
            raw[view] = read_latent(folder / f"latent_{view}.npy", self.check_ranges, self.raw_width)
        if (folder / f"latent_{self.num_views}.npy").exists():
            raise DataError(f"{folder} has more than the {self.num_views} views of the first object: give every object the same number")
        return images, raw

    def find_image(self, folder: Path, view: int) -> Path:
        """The image file of a view; one of the first object's kind where there is none, for the error to name."""
        paths = [folder / f"image_{view}{suffix}" for suffix in (self._suffix, *IMAGE_SUFFIXES)]
        return next((path for path in paths if path.exists()), paths[0])


class ThreeDIEBenchSource(ObjectFolders):
    """3DIEBench, 3DIEBench-T, or any data of their layout, read from its folder.

    Args:
        root: the folder that holds ``meta``, or the folder of objects next to it.
        splits: which splits to read; default: all that ``meta`` names; ``train`` must be one of them.
        channels, check_ranges, resize: as of :class:`ObjectFolders`.

    Raises:
        DataError: where the meta files are missing, damaged or disagree, a label is out of range, a split is empty, an object is listed
            twice, or the first object has no images.
    """

    def __init__(
        self, root: str | Path, splits: Sequence[str] | None = None, channels: int = 3, check_ranges: bool = True, resize: str = "bilinear"
    ) -> None:
        place = find_published(Path(root))
        meta = read_meta(place.meta, splits)
        for problem in meta.problems():
            raise DataError(problem)
        items = {
            split: [Item(name, int(label)) for name, label in zip(names, labels, strict=True)]
            for split, (names, labels) in meta.splits.items()
        }
        super().__init__(place.objects_of(meta), items, meta.class_names, {"meta_crc32": meta.checksum}, channels, check_ranges, resize)


def other_views(root: Path, split: str, views: Sequence[Views], resize: str = "bilinear") -> ObjectFolders:
    """Other views of the same objects, as the one ``split``: those of ``views`` that ``root`` has a folder of. The archive of 3DIEBench-OOD holds
    such folders and no lists. Raises DataError where it has none of them.
    """
    listed = [(name, int(label)) for each in views for name, label in zip(each.item_names, each.labels, strict=True)]
    places = [root, root / PUBLISHED_FOLDER]
    for folder in places:
        if items := [Item(name, label) for name, label in listed if (folder / name).is_dir()]:
            return ObjectFolders(folder, {split: items}, views[0].class_names, {}, resize=resize)
    where = " nor in ".join(map(str, places))
    raise DataError(
        f"none of the {len(listed):,} objects that are evaluated, such as {listed[0][0]}, has a folder in {where}: check the path"
    )


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


def packed_folder(root: Path, resolution: int, resize: str) -> Path:
    """The default place of the store: next to its objects."""
    return root / (f"packed-{resolution}" if resize == "bilinear" else f"packed-{resolution}-{resize}")
