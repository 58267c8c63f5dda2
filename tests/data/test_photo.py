"""One photo to pixels: every kind, upright, over white, square; and what damaged ones say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from contextssl.data.photo import SUFFIXES, fitted, read_photo
from contextssl.errors import DataError


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Slow waves, different in each channel, which survive lossy kinds and resizing."""
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin((c + 1) * y / height + (3 - c) * x / width) for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("GIF", 16), ("JPEG", 16), ("WEBP", 16)],
)
def test_every_usual_kind(kind: str, tolerance: int) -> None:
    want = smooth(24, 24)
    photo = read_photo(encoded(Image.fromarray(want), kind), "a", 24)
    assert photo.pixels.dtype == np.uint8 and photo.pixels.shape == (24, 24, 3)
    assert (photo.height, photo.width, photo.format) == (24, 24, kind)
    assert np.abs(photo.pixels.astype(int) - want).max() <= tolerance
    grey = read_photo(encoded(Image.fromarray(want), kind), "a", 24, channels=1).pixels
    assert grey.shape == (24, 24, 1)
    assert np.abs(grey[..., 0].astype(int) - np.asarray(Image.fromarray(want).convert("L"))).max() <= tolerance
    assert {".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".ppm"} <= set(SUFFIXES)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_images_are_brought_upright(kind: str, orientation: int) -> None:
    """The white corner is top left in the upright image; where it lies in the file is the table of the EXIF standard."""
    stored = np.zeros((16, 32, 3), np.uint8)
    top, left = {1: (1, 1), 2: (1, 0), 3: (0, 0), 4: (0, 1), 5: (1, 1), 6: (0, 1), 7: (0, 0), 8: (1, 0)}[orientation]
    stored[slice(0, 8) if top else slice(8, 16), slice(0, 8) if left else slice(24, 32)] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(stored), kind, exif=exif)
    photo = read_photo(data, "a", None)
    assert (photo.height, photo.width) == ((16, 32) if orientation < 5 else (32, 16)) == photo.pixels.shape[:2]
    assert photo.pixels[:8, :8].min() > 250 and photo.pixels[9:].max() < 5 and photo.pixels[:, 9:].max() < 5
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(photo.pixels, np.asarray(ImageOps.exif_transpose(image)))


def test_a_reduced_jpeg_keeps_its_own_size_and_its_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(smooth(256, 384)), "JPEG", exif=exif, quality=95)
    photo = read_photo(data, "a", 32)
    assert (photo.height, photo.width) == (384, 256)
    upright = Image.fromarray(smooth(256, 384)).transpose(Image.Transpose.ROTATE_270)
    assert np.abs(photo.pixels.astype(int) - np.asarray(fitted(upright, 32))).max() < 8


def test_transparent_parts_are_over_white() -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, 4:, 3] = 255  # black on the right, nothing on the left
    rgba[0, 0] = 255, 0, 0, 128
    image = Image.fromarray(rgba)
    for kind in ("PNG", "WEBP", "TIFF"):
        pixels = read_photo(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})), "a", 8).pixels
        assert pixels[1:, :4].min() == 255 and pixels[:, 4:].max() == 0
        assert np.abs(pixels[0, 0].astype(int) - [255, 127, 127]).max() <= 1
    grey = read_photo(encoded(image.convert("LA"), "PNG"), "a", 8, channels=1).pixels
    assert grey[1:, :4].min() == 255 and grey[:, 4:].max() == 0


def test_palettes_with_and_without_a_transparent_colour() -> None:
    numbers = np.zeros((8, 8), np.uint8)
    numbers[:, 4:] = 1
    image = Image.fromarray(numbers).convert("P")
    image.putpalette([10, 200, 30, 250, 20, 60])
    for kind in ("PNG", "GIF"):
        pixels = read_photo(encoded(image, kind), "a", 8).pixels
        assert (pixels[:, :4] == [10, 200, 30]).all() and (pixels[:, 4:] == [250, 20, 60]).all()
        pixels = read_photo(encoded(image, kind, transparency=0), "a", 8).pixels
        assert (pixels[:, :4] == 255).all() and (pixels[:, 4:] == [250, 20, 60]).all()
    see_through = encoded(image, "PNG", transparency=bytes([0, 255]))
    assert (read_photo(see_through, "a", 8).pixels[:, :4] == 255).all()


def test_sixteen_bits_cmyk_and_black_and_white() -> None:
    values = np.array([[0, 128, 129, 257], [32896, 65535, 65407, 65406]], np.uint16).repeat(2, axis=0)
    want = np.array([[0, 0, 1, 1], [128, 255, 255, 254]]).repeat(2, axis=0)
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(read_photo(encoded(Image.fromarray(values), kind), "a", 4, channels=1).pixels[..., 0], want)
        assert np.array_equal(read_photo(encoded(Image.fromarray(values), kind), "a", 4).pixels, want[..., None].repeat(3, axis=2))
    cmyk = Image.fromarray(smooth(16, 16)).convert("CMYK")
    pixels = read_photo(encoded(cmyk, "JPEG", quality=95), "a", 16).pixels
    assert np.abs(pixels.astype(int) - smooth(16, 16)).max() < 10
    bits = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    assert np.array_equal(read_photo(encoded(bits, "PNG"), "a", 8).pixels[..., 0], np.eye(8, dtype=np.uint8) * 255)


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "TIFF"):
        pixels = read_photo(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), "a", 8).pixels
        assert pixels[..., 0].min() > 240 and pixels[..., 2].max() < 15


def test_the_middle_square_at_the_resolution() -> None:
    pixels = np.arange(4 * 7 * 3, dtype=np.uint8).reshape(4, 7, 3)
    assert np.array_equal(read_photo(encoded(Image.fromarray(pixels), "PNG"), "a", 4).pixels, pixels[:, 1:5])
    tall = pixels.transpose(1, 0, 2)
    assert np.array_equal(read_photo(encoded(Image.fromarray(tall), "PNG"), "a", 4).pixels, tall[1:5])
    wide = smooth(64, 96)
    found = read_photo(encoded(Image.fromarray(wide), "PNG"), "a", 16).pixels.astype(int)
    want = wide[:, 16:80].reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(found - want)[1:-1, 1:-1].max() < 3
    assert read_photo(encoded(Image.fromarray(wide), "PNG"), "a", 128).pixels.shape == (128, 128, 3)
    fine = np.repeat((128 + 100 * np.cos(np.pi * 0.9 * np.mgrid[:256, :256][1]))[..., None], 3, axis=2).astype(np.uint8)
    for kind in ("PNG", "JPEG"):
        even = read_photo(encoded(Image.fromarray(fine), kind), "a", 24).pixels.astype(float)
        assert np.abs(even[2:-2, 2:-2] - fine.mean()).max() < 16, "a fine pattern aliases"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_images_cut_short_are_named(kind: str) -> None:
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)), kind)
    for part in (data[: len(data) // 2], data[:20]):
        for resolution in (64, 16):
            with pytest.raises(DataError, match=r"^x/a\.img cannot be decoded \(.+\): fix or remove it, or say unreadable=skip$"):
                read_photo(part, "x/a.img", resolution)


def test_other_files_that_are_no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"^a is empty: fix"):
        read_photo(b"", "a", 8)
    with pytest.raises(DataError, match=r"a cannot be decoded \(of no known kind\)"):
        read_photo(b"<html>not found</html>", "a", 8)
    with pytest.raises(DataError, match="floating-point pixels"):
        read_photo(encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "a", 4)
    with pytest.raises(DataError, match="a has pixels beyond 0 to 65,535"):
        read_photo(encoded(Image.fromarray(np.full((4, 4), 70000, np.int32)), "TIFF"), "a", 4)
    for limit in (50, 10):  # Pillow warns beyond the limit and refuses beyond twice that
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=f"a has more pixels than the {limit} that are read, against decompression bombs"):
            read_photo(encoded(Image.new("L", (9, 9)), "PNG"), "a", 8)


def test_damaged_metadata_do_no_harm(tmp_path: Path) -> None:
    plain = encoded(Image.fromarray(smooth(16, 16)), "JPEG")
    odd = encoded(Image.fromarray(smooth(16, 16)), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(40)))
    assert np.array_equal(read_photo(odd, "a", 16).pixels, read_photo(plain, "a", 16).pixels)


def test_only_kinds_that_are_meant_reach_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """An EPS is a program: Pillow would run Ghostscript on it, whatever the file is called."""
    from PIL import EpsImagePlugin

    def run(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    for kind in ("EPS", "TGA", "ICO"):
        with pytest.raises(DataError, match=r"a\.jpg cannot be decoded \(of no known kind\)"):
            read_photo(encoded(Image.fromarray(smooth(16, 16)), kind), "a.jpg", 8)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_avif_where_pillow_reads_it() -> None:
    assert (
        np.abs(read_photo(encoded(Image.fromarray(smooth(24, 24)), "AVIF", quality=95), "a", 24).pixels.astype(int) - smooth(24, 24)).max()
        < 16
    )
    assert ".avif" in SUFFIXES


@pytest.mark.parametrize("dtype", [np.int32, np.uint16])
def test_numbers_of_eight_bits_in_a_file_of_more(dtype: type) -> None:
    data = encoded(Image.fromarray(smooth(8, 8, 1)[..., 0].astype(dtype)), "TIFF")
    with pytest.raises(DataError, match="a has more than eight bits per channel and no number above 255: it is dark, or"):
        read_photo(data, "a", 8)
    photo = read_photo(data, "a", 8, 1, white=255)
    assert np.array_equal(photo.pixels, smooth(8, 8, 1)) and photo.highest == smooth(8, 8, 1).max()
    assert read_photo(data, "a", 8, 1, white=65535).pixels.max() <= 1
    assert read_photo(encoded(Image.fromarray(smooth(8, 8)), "PNG"), "a", 8).highest is None
