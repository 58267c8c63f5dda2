"""One photo, of any usual kind and size, to pixels: upright, of eight bits per channel, scaled and cropped to a square."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from contextssl.data.image_bytes import FORMATS, KINDS, opened_image
from contextssl.errors import DataError

SUFFIXES = tuple(suffix for kind in FORMATS for suffix in KINDS[kind])
# Images of formats that are not read: they are counted and reported.
OTHER_SUFFIXES = (
    *(suffix for kind in KINDS if kind not in FORMATS for suffix in KINDS[kind]),
    *(".heic", ".heif", ".hif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    *(".exr", ".hdr", ".tga", ".psd", ".svg", ".dcm"),
)
# The value of white in a file of more than eight bits, and in one whose numbers are of eight bits all the same.
WHITE, EIGHT_BIT_WHITE = 65535, 255
SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
# What brings an image upright, by the number of its EXIF orientation; the last four swap height and width.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FIX = "fix or remove it, or say unreadable=skip"


class Photo(NamedTuple):
    """A decoded image: pixels (H, W, C) uint8, and of the file its height and width when upright, its format and its mode; of one of more than
    eight bits the highest number in it.
    """

    pixels: UInt8[np.ndarray, "height width channels"]
    height: int
    width: int
    format: str
    mode: str
    highest: int | None = None


def read_photo(data: bytes, name: str, resolution: int | None, channels: int = 3, white: int | None = None) -> Photo:
    """Decodes an image file: upright by its EXIF orientation, the first frame, transparent parts over white, 16 bits scaled to 8.

    With a ``resolution`` the shorter side is scaled to it and the middle square cut out. A JPEG is decoded straight to the smallest of 1/1,
    1/2, 1/4 and 1/8 of its size that is not below that, as in :func:`contextssl.data.threediebench_folder.read_image`.

    Args:
        name: what errors call it.
        resolution: height and width of the pixels; as in the file where None.
        channels: 3 for RGB, 1 for grey.
        white: of a file of more than eight bits: 65535, or 255 where all files of a data set hold numbers of eight bits. Default: 65535, and
            a file without a number above 255 is refused, since it may be either.

    Raises:
        DataError: where it is cut short, damaged, no image, too large, or of pixels whose range is unknown (floating point).
    """
    if not data:
        raise DataError(f"{name} is empty: {FIX}")
    with _decoding(name), opened_image(data) as image:
        size = image.size
        if resolution is not None:
            image.draft("RGB" if channels == 3 else "L", (resolution, resolution))
        return photo_of(image, name, resolution, channels, white, size)


def photo_of(
    image: Image.Image,
    name: str,
    resolution: int | None,
    channels: int = 3,
    white: int | None = None,
    size: tuple[int, int] | None = None,
) -> Photo:
    """As :func:`read_photo`, from an image that is opened, and stays as it is; ``size`` is its width and height where it is read smaller."""
    with _decoding(name):
        width, height = size or image.size
        kind, stored, deep = image.format or "", image.mode, is_deep(image)
        image.load()
        orientation = _orientation(image)
        highest = _highest(image) if deep else None
        if white is None and highest is not None and highest <= EIGHT_BIT_WHITE:
            raise DataError(
                f"{name} has more than eight bits per channel and no number above 255: it is dark, or its numbers are of eight bits; save it "
                "with eight bits per channel"
            )
        pixels = _eight_bit(image, name, "RGB" if channels == 3 else "L", white)
        if orientation in UPRIGHT:
            pixels = pixels.transpose(UPRIGHT[orientation])
            if orientation >= 5:
                width, height = height, width
        if resolution is not None:
            pixels = fitted(pixels, resolution)
        return Photo(np.array(pixels).reshape(pixels.height, pixels.width, channels), height, width, kind, stored, highest)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Whatever Pillow raises on damaged bytes, which is nearly anything, becomes a DataError that names the image."""
    try:
        yield
    except DataError as error:
        if str(error).startswith(name):
            raise
        raise DataError(f"{name} cannot be decoded ({error}): {FIX}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise DataError(f"{name} has more pixels than the {limit:,} that are read, against decompression bombs: make it smaller") from error
    except Exception as error:
        reason = "of no known kind" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
        raise DataError(f"{name} cannot be decoded ({reason.splitlines()[0]}): {FIX}") from error


def highest_number(data: bytes) -> int | None:
    """The highest number in an image of more than eight bits; None of another, which is not decoded, or of one that cannot be."""
    try:
        with opened_image(data) as image:
            return _highest(image) if is_deep(image) else None
    except Exception:  # read_photo says what it is
        return None


def is_deep(image: Image.Image) -> bool:
    """Whether an image that was opened and not loaded has more than eight bits per channel in its file."""
    return image.mode in SIXTEEN_BIT_MODES or any(";16" in str(tile) for tile in getattr(image, "tile", ()))


def _highest(image: Image.Image) -> int:
    """Of colours of 16 bits Pillow keeps the upper eight alone."""
    pixels = np.asarray(image)
    if image.mode in SIXTEEN_BIT_MODES:
        return int(pixels.max())
    return int((pixels[..., : 1 if image.mode == "LA" else 3] if pixels.ndim == 3 else pixels).max()) * 257


def fitted(image: Image.Image, resolution: int) -> Image.Image:
    """The middle square, scaled to ``resolution`` by a bicubic filter that is widened by the scale; untouched where it fits already."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if side == resolution:
        return image if image.size == (side, side) else image.crop(box)
    # Beyond three times the size asked for, whole blocks are averaged first, which is faster and looks the same.
    return image.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation of a loaded image, 1 where there is none or it cannot be read. A TIFF is upright once loaded, and says 1."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata, sound pixels
        return 1


def _eight_bit(image: Image.Image, name: str, mode: str, white: int | None) -> Image.Image:
    """The image in ``mode``, RGB or L."""
    if image.mode in SIXTEEN_BIT_MODES:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > WHITE:
            raise DataError(f"{name} has pixels beyond 0 to 65,535: save it with eight bits per channel, or say unreadable=skip")
        levels = np.minimum(values, white) if white == EIGHT_BIT_WHITE else (values.astype(np.uint32) + 128) // 257
        return Image.fromarray(levels.astype(np.uint8)).convert(mode)
    if image.mode == "F":
        raise DataError(
            f"{name} has floating-point pixels, whose range is unknown: save it with eight bits per channel, or say unreadable=skip"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        over = Image.new("RGBA", image.size, "white")
        over.alpha_composite(image)
        return over.convert(mode)
    return image if image.mode == mode else image.convert(mode)
