from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from contextssl.errors import DataError, InputError
from contextssl.explorer import uploads
from contextssl.explorer.uploads import Uploads


def image_bytes(kind: str = "PNG", size: tuple[int, int] = (20, 12), colour: tuple[int, int, int] = (200, 10, 10)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def kept() -> Uploads:
    return Uploads((3, 8, 8), lambda images: images.float().mean(dim=(2, 3)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_is_brought_to_the_models_size_and_found_by_its_token(kind: str) -> None:
    given = kept()
    token, added = given.add(image_bytes(kind))
    assert added.image.shape == (3, 8, 8) and added.image.dtype == torch.uint8
    assert np.abs(added.features.numpy() - [200, 10, 10]).max() < 4
    assert given.get(token) is added and len(token) > 20
    assert given.add(image_bytes(kind))[0] != token


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the image is empty"),
        (b"GIF89a and no more", "the image cannot be decoded"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "of no known kind.: give a JPEG, PNG or WebP"),
        (image_bytes()[:60], "cannot be decoded"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "of no known kind"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        kept().add(data)
    assert "\n" not in str(error.value) and "unreadable=skip" not in str(error.value)


def test_too_large_ones_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_PIXELS", 100)
    monkeypatch.setattr(uploads, "read_photo", lambda *given: pytest.fail("decoded"))
    with pytest.raises(DataError, match="20 × 12 pixels, more than 100"):
        kept().add(image_bytes())
    monkeypatch.setattr(uploads, "MOST_BYTES", 20)
    with pytest.raises(DataError, match="more than 20 B"):
        kept().add(image_bytes())


def test_old_ones_and_too_many_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_IMAGES", 2)
    given = kept()
    first, second, third = (given.add(image_bytes(), now=float(time))[0] for time in (0, 1, 2))
    with pytest.raises(InputError, match="no longer kept"):
        given.get(first, now=3.0)
    assert given.get(second, now=3.0) is not None
    with pytest.raises(InputError, match="no longer kept"):
        given.get(second, now=uploads.SECONDS + 1.5)
    assert given.get(third, now=uploads.SECONDS + 1.5) is not None
