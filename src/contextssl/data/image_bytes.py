"""The bytes of an image as Pillow reads them: only formats that are meant, and no more work than an image of that size can need.

Pillow bounds the pixels of an image. It does not bound how often it reads: a million empty chunks, comments or segments are a million turns of a
loop in Python, a PPM in text a turn for each number, and each of the scans of a progressive JPEG goes over all pixels again.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, features

from contextssl.errors import DataError
from contextssl.system.files import readable_bytes

# The formats that are read, by Pillow's names. No other decoder is used, whatever a file is called: that of EPS runs a program.
KINDS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
}
# Formats that Pillow may have been built without.
OPTIONAL = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
FORMATS = tuple(kind for kind in KINDS if kind not in OPTIONAL or features.check(OPTIONAL[kind]))
# Reads of an image at most: so many for its head, and one for each pixel of the formats whose decoders read byte by byte.
MOST_READS, MOST_PIXEL_READS = 500_000, 4_000_000
# Scans of a JPEG at most; encoders write twenty.
MOST_SCANS = 100
# Of a PPM in text, a number of which takes Python some hundred nanoseconds.
PLAIN, PLAIN_BYTES = re.compile(rb"P[123]\s"), 2**25


class _Reads(io.BytesIO):
    """Bytes that are read only so often."""

    left = MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise DataError("it has more parts than an image can need")
        return super().read(size)


@contextmanager
def opened_image(data: bytes, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """An image whose head was read. Raises DataError for one that is made to take time, whatever Pillow raises, and its warning of too many pixels as
    an error; other warnings, of odd metadata, do no harm and are not shown.
    """
    if data.startswith(b"\xff\xd8") and (scans := data.count(b"\xff\xda")) > MOST_SCANS:
        raise DataError(f"it has {scans:,} scans, more than the {MOST_SCANS} that are read")
    if len(data) > PLAIN_BYTES and PLAIN.match(data):
        raise DataError(
            f"it is a text of {readable_bytes(len(data))}, more than the {readable_bytes(PLAIN_BYTES)} that are read: save it as PNG"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        reads = _Reads(data)
        with Image.open(reads, formats=formats) as image:
            reads.left += min(image.width * image.height, MOST_PIXEL_READS)
            yield image
