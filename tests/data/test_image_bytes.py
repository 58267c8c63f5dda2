"""An image takes no more work than its size needs, and no other decoder than those that are meant."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, UnidentifiedImageError

from contextssl.data import image_bytes
from contextssl.data.image_bytes import opened_image
from contextssl.data.photo import read_photo
from contextssl.errors import DataError


def encoded(kind: str, size: tuple[int, int] = (32, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(buffer, kind)
    return buffer.getvalue()


def of_parts(kind: str, count: int) -> bytes:
    """A sound image with so many empty parts."""
    sound = encoded(kind)
    if kind == "JPEG":
        return sound[:2] + b"\xff\xfe\0\2" * count + sound[2:]
    if kind == "GIF":
        return sound[:-1].replace(b"\x2c", b"\x21\xfe\0" * count + b"\x2c", 1) + b"\x3b"
    empty = struct.pack(">L", 0) + b"teXt" + struct.pack(">L", zlib.crc32(b"teXt"))
    return sound[:33] + empty * count + sound[33:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_parts_without_end_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_bytes._Reads, "left", 2000)
    assert read_photo(of_parts(kind, 100), "x", 8).pixels.shape == (8, 8, 3)
    with pytest.raises(DataError, match=r"^x cannot be decoded \(it has more parts than an image can need\): fix or remove it"):
        read_photo(of_parts(kind, 5000), "x", 8)


def test_scans_without_end_are_refused() -> None:
    sound = encoded("JPEG")
    with pytest.raises(DataError, match="it has 500 scans, more than the 100"):
        read_photo(sound + b"\xff\xda" * 499, "x", 8)
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 80).save(buffer, "JPEG", progressive=True)
    assert read_photo(buffer.getvalue(), "x", 8).pixels.shape == (8, 8, 3)


def test_a_long_text_is_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"P3 4 4 255 " + b"1 " * 48
    assert read_photo(text, "x", 4).pixels.max() == 1
    monkeypatch.setattr(image_bytes, "PLAIN_BYTES", 50)
    with pytest.raises(DataError, match="it is a text of 107 B, more than the 50 B that are read: save it as PNG"):
        read_photo(text, "x", 4)


def test_no_other_decoder_is_asked() -> None:
    with pytest.raises(UnidentifiedImageError), opened_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"):
        pass
