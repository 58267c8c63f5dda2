"""Images that visitors give: small ones of known kinds, kept in memory for a while under names that nobody guesses."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contextssl.data.image_bytes import opened_image
from contextssl.data.photo import FIX, read_photo
from contextssl.errors import DataError, InputError
from contextssl.system.files import readable_bytes

# Of one file; of its pixels; of images that are kept; of the seconds that one is kept.
MOST_BYTES = 8 * 2**20
MOST_PIXELS = 40_000_000
MOST_IMAGES = 400
SECONDS = 3600.0


class Upload(NamedTuple):
    """An image (C, H, W) as the model takes it, its features (F,), and when it came."""

    image: UInt8[Tensor, "C H W"]
    features: Float[Tensor, " F"]
    came: float


class Uploads:
    """What visitors have given; each image is found by its token alone. Of too many the oldest are dropped."""

    def __init__(self, view_shape: Sequence[int], encode: Callable[[UInt8[Tensor, "1 C H W"]], Float[Tensor, "1 F"]]) -> None:
        self.channels, self.size = view_shape[0], view_shape[-1]
        self.encode = encode
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes, now: float | None = None) -> tuple[str, Upload]:
        """The token of an image file. Raises DataError for one that is too large, damaged or of no kind that is read."""
        if len(data) > MOST_BYTES:
            raise DataError(too_large())
        _check_pixels(data)
        try:
            pixels = read_photo(data, "the image", self.size, self.channels).pixels
        except DataError as error:
            raise DataError(f"{str(error).partition(f': {FIX}')[0]}: give a JPEG, PNG or WebP") from error
        image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
        added = Upload(image, self.encode(image[None])[0], time.monotonic() if now is None else now)
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[token] = added
            self._drop(added.came)
        return token, added

    def get(self, token: str, now: float | None = None) -> Upload:
        """Raises InputError for one that is not there, or no longer."""
        with self._lock:
            self._drop(time.monotonic() if now is None else now)
            if token not in self._kept:
                raise InputError("the image that was given is no longer kept: give it again")
            return self._kept[token]

    def _drop(self, now: float) -> None:
        while self._kept and (len(self._kept) > MOST_IMAGES or now - next(iter(self._kept.values())).came > SECONDS):
            self._kept.popitem(last=False)


def too_large() -> str:
    return f"the image has more than {readable_bytes(MOST_BYTES)}: make it smaller"


def _check_pixels(data: bytes) -> None:
    """From the head of the file, before anything is decoded. What cannot be opened is left to the decoder, which says why."""
    try:
        with opened_image(data) as image:
            width, height = image.size
    except Exception:
        return
    if width * height > MOST_PIXELS:
        raise DataError(f"the image has {width:,} × {height:,} pixels, more than {MOST_PIXELS:,}: make it smaller")
