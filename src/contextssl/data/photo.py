"""One photo, of any usual kind and size, to pixels: upright, of eight bits a channel, scaled and cropped to a square."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError

from contextssl.errors import DataError

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
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
MEND = "mend or remove it, or say unreadable=skip"


class Photo(NamedTuple):
    """A decoded image: pixels (H, W, C) uint8, and of the file its height and width when upright, its format and its mode."""

    pixels: UInt8[np.ndarray, "height width channels"]
    height: int
    width: int
    format: str
    mode: str


def read_photo(data: bytes, name: str, resolution: int | None, channels: int = 3) -> Photo:
    """Decodes an image file: upright by its EXIF orientation, the first frame, transparent parts over white, 16 bits scaled to 8.

    With a ``resolution`` the shorter side is scaled to it and the middle square cut out. A JPEG is decoded straight to the smallest of 1/1,
    1/2, 1/4 and 1/8 of its size that is not below that, as in :func:`contextssl.data.threediebench.read_image`.

    Args:
        data: the bytes of the file.
        name: what errors call it.
        resolution: height and width of the pixels; as in the file where None.
        channels: 3 for RGB, 1 for grey.

    Raises:
        DataError: where it is cut short, damaged, no image, too large, or of pixels whose range is unknown (floating point).
    """
    if not data:
        raise DataError(f"{name} is empty: {MEND}")
    mode = "RGB" if channels == 3 else "L"
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which do no harm, and of sizes that do.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                kind, stored = image.format or "", image.mode
                if resolution is not None:
                    image.draft(mode, (resolution, resolution))
                image.load()
                orientation = _orientation(image)
                pixels = _eight_bit(image, name, mode)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS or 0
        raise DataError(f"{name} has more pixels than the {limit:,} that are read, against decompression bombs: make it smaller") from error
    except Exception as error:  # on damaged bytes Pillow's readers raise nearly anything
        reason = "of no known kind" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
        raise DataError(f"{name} cannot be decoded ({reason.splitlines()[0]}): {MEND}") from error
    if orientation in UPRIGHT:
        pixels = pixels.transpose(UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    if resolution is not None:
        pixels = fitted(pixels, resolution)
    return Photo(np.array(pixels).reshape(pixels.height, pixels.width, channels), height, width, kind, stored)


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
    except Exception:  # damaged metadata of pixels that are well
        return 1


def _eight_bit(image: Image.Image, name: str, mode: str) -> Image.Image:
    """The image in ``mode``, RGB or L."""
    if image.mode in SIXTEEN_BIT_MODES:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"{name} has pixels beyond 0 to 65,535: save it with eight bits a channel, or say unreadable=skip")
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8)).convert(mode)
    if image.mode == "F":
        raise DataError(
            f"{name} has floating-point pixels, whose range is unknown: save it with eight bits a channel, or say unreadable=skip"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        return white.convert(mode)
    return image if image.mode == mode else image.convert(mode)
