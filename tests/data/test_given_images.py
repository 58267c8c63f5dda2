from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from contextssl.data.given_images import GivenImages, given_images, images_at_once
from contextssl.errors import DataError, InputError
from tests.used import as_tensor, pixels, write_images

SHAPE = (3, 8, 8)


def read(given: GivenImages) -> tuple[list[str], Tensor]:
    chunks = list(given)
    return [name for chunk in chunks for name in chunk.names], torch.cat([chunk.images for chunk in chunks])


class Labelled(Dataset[tuple[Image.Image, int]]):
    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.images[number]), 7


class Labels(Dataset[dict[str, int]]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int) -> dict[str, int]:
        return {"image": 3}


def one_by_one(images: np.ndarray) -> Iterator[Image.Image]:
    yield from map(Image.fromarray, images)


KINDS: dict[str, Callable[[np.ndarray, list[Path]], Any]] = {
    "a tensor": lambda images, paths: as_tensor(images),
    "an array": lambda images, paths: images,
    "an array, channels first": lambda images, paths: images.transpose(0, 3, 1, 2),
    "floats from 0 to 1": lambda images, paths: images / 255,
    "a list of PIL images": lambda images, paths: [Image.fromarray(image) for image in images],
    "a list of arrays": lambda images, paths: list(images),
    "a list of tensors": lambda images, paths: list(as_tensor(images)),
    "paths": lambda images, paths: paths,
    "paths as text": lambda images, paths: [str(path) for path in paths],
    "a folder": lambda images, paths: paths[0].parent,
    "a data set": lambda images, paths: Labelled(images),
    "a generator": lambda images, paths: one_by_one(images),
    "a loader": lambda images, paths: DataLoader(TensorDataset(as_tensor(images), torch.zeros(len(images))), batch_size=2),
    "mixed": lambda images, paths: [paths[0], Image.fromarray(images[1]), *images[2:]],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [None, 2])
def test_every_kind_gives_the_same_pixels_in_order(kind: str, chunk: int | None, tmp_path: Path) -> None:
    images = pixels(5)
    given = given_images(KINDS[kind](images, write_images(tmp_path / "few", images)), SHAPE, chunk=chunk)
    assert given.count == (None if kind == "a generator" else 5)
    names, found = read(given)
    assert torch.equal(found, as_tensor(images))
    files = {"paths": "few/image000.png", "paths as text": "few/image000.png", "a folder": "image000.png", "mixed": "few/image000.png"}
    assert names[0].endswith(files.get(kind, "0")) and len({*names}) == 5


@pytest.mark.parametrize("kind", ["a folder", "a list of PIL images", "an array"])
def test_other_sizes_are_brought_to_the_models(kind: str, tmp_path: Path) -> None:
    """The middle square, scaled: of a wide image of one colour on each side the colours stay on their sides."""
    images = np.zeros((2, 16, 40, 3), np.uint8)
    images[:, :, 20:] = 255
    _, found = read(given_images(KINDS[kind](images, write_images(tmp_path / "few", images)), SHAPE))
    assert found.shape == (2, *SHAPE)
    assert int(found[..., :3].max()) < 30 and int(found[..., 5:].min()) > 225


def test_a_single_image_is_one_row(tmp_path: Path) -> None:
    (image,) = pixels(1)
    (path,) = write_images(tmp_path, image[None])
    for given in (image, Image.fromarray(image), path, str(path), image.transpose(2, 0, 1)):
        assert torch.equal(read(given_images(given, SHAPE))[1], as_tensor(image[None]))


def test_grey_and_transparent_images_become_colours(tmp_path: Path) -> None:
    grey = np.full((8, 8), 100, np.uint8)
    assert torch.equal(read(given_images(grey, SHAPE))[1], torch.full((1, *SHAPE), 100, dtype=torch.uint8))
    clear = np.zeros((8, 8, 4), np.uint8)
    assert torch.equal(read(given_images(clear, SHAPE))[1], torch.full((1, *SHAPE), 255, dtype=torch.uint8))
    assert read(given_images(np.stack([grey, grey]), (1, 8, 8)))[1].shape == (2, 1, 8, 8)


def test_an_image_that_is_given_stays_as_it_is() -> None:
    image = Image.fromarray(pixels(1, side=20)[0])
    before = image.copy()
    read(given_images(image, SHAPE))
    assert image.size == (20, 20) and image.tobytes() == before.tobytes()


def test_an_archive_is_read_as_its_folder(tmp_path: Path) -> None:
    images = pixels(3)
    paths = write_images(tmp_path / "few", images)
    with zipfile.ZipFile(tmp_path / "few.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"top/{path.name}")
    names, found = read(given_images(tmp_path / "few.zip", SHAPE))
    assert names[0] == "top/image000.png" and torch.equal(found, as_tensor(images))


def test_one_bad_image_of_many_is_named_or_left_out(tmp_path: Path) -> None:
    images = pixels(5)
    paths = write_images(tmp_path / "few", images)
    paths[3].write_bytes(paths[3].read_bytes()[:40])
    with pytest.raises(DataError, match=r"image003\.png cannot be decoded"):
        read(given_images(tmp_path / "few", SHAPE))
    chunks = list(given_images(tmp_path / "few", SHAPE, chunk=2, unreadable="skip"))
    assert [len(chunk.images) for chunk in chunks] == [2, 1, 1]
    assert [name for chunk in chunks for name, _ in chunk.skipped] == ["image003.png"]
    alone = list(given_images([paths[3]], SHAPE, unreadable="skip"))
    assert [chunk.images.shape for chunk in alone] == [(0, *SHAPE)]


BAD: dict[str, tuple[Any, str]] = {
    "floats beyond 1": (np.full((2, 8, 8, 3), 200.0), "floats from 200.00 to 200.00: give floats in 0 to 1"),
    "NaN": (np.full((2, 8, 8, 3), np.nan), "holds NaN"),
    "integers": (np.zeros((2, 8, 8, 3), np.int64), "array of int64"),
    "two channels": (np.zeros((2, 8, 8, 2), np.uint8), r"shape \(8, 8, 2\)"),
    "five axes": (np.zeros((2, 2, 8, 8, 3), np.uint8), "array of shape"),
    "no pixel": (np.zeros((0, 8, 3), np.uint8), "array of shape"),
    "a number": ([3], "image 0 is a int"),
    "a tensor beside an image": ([torch.zeros(3, 8, 8, dtype=torch.uint8), Image.new("RGB", (8, 8))], "image 1 is a Image"),
    "tensors of two sizes": ([torch.zeros(3, 8, 8), torch.zeros(3, 9, 9)], "give all in one size"),
    "batches in a list": ([torch.zeros(1, 3, 8, 8)], r"in a list each tensor is \(C, H, W\)"),
    "a loader of dictionaries": (DataLoader(Labels(), batch_size=None), "images come as a dict"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_image_is_refused(kind: str) -> None:
    given, message = BAD[kind]
    with pytest.raises(InputError, match=message):
        read(given_images(given, SHAPE))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "pipe.png").mkdir()
    for given, message in (
        (tmp_path / "empty", "holds no image"),
        (tmp_path / "nowhere", "no folder or archive"),
        ([tmp_path / "nowhere.png"], "cannot read the image"),
        (tmp_path / "nowhere.png", "cannot read the image"),
        (tmp_path / "pipe.png", "holds no image"),
    ):
        with pytest.raises(DataError, match=message):
            read(given_images(given, SHAPE))


def test_without_the_models_size_only_tensors_can_be_taken() -> None:
    assert read(given_images(torch.zeros(2, 3, 5, 5), None))[1].shape == (2, 3, 5, 5)
    with pytest.raises(InputError, match="size of this model's images is not known"):
        given_images(pixels(2), None)


def test_the_digest_changes_with_names_and_files(tmp_path: Path) -> None:
    images = pixels(3)
    paths = write_images(tmp_path / "few", images)
    before = given_images(tmp_path / "few", SHAPE).digest
    assert before == given_images(tmp_path / "few", SHAPE).digest
    paths[1].write_bytes(paths[1].read_bytes() + b"x")
    changed = given_images(tmp_path / "few", SHAPE).digest
    paths[2].rename(tmp_path / "few" / "other.png")
    assert len({before, changed, given_images(tmp_path / "few", SHAPE).digest}) == 3
    assert given_images(images, SHAPE).digest is None


@drawn(count=st.integers(1, 12), chunk=st.integers(1, 5), there=st.sets(st.integers(0, 11)))
def test_chunks_that_are_there_are_left_out(tmp_path_factory: pytest.TempPathFactory, count: int, chunk: int, there: set[int]) -> None:
    folder = tmp_path_factory.mktemp("few")
    images = pixels(count)
    write_images(folder, images)
    whole = list(given_images(folder, SHAPE, chunk=chunk))
    left = [each for number, each in enumerate(whole) if number not in there]
    found = given_images(folder, SHAPE, chunk=chunk).without(there)
    assert found.count == sum(len(each.names) for each in left)
    assert [each.names for each in found] == [each.names for each in left]


def test_fewer_of_large_images_at_once() -> None:
    assert images_at_once((3, 32, 32)) == 512 > images_at_once((3, 224, 224)) > images_at_once((3, 512, 512)) > 0
    assert images_at_once((3, 100_000, 100_000)) == 1


def test_a_generator_is_not_read_ahead_of_its_use() -> None:
    """Two chunks at most: what comes without end can be used too."""
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield pixels(1)[0]

    chunks = iter(given_images(endless(), SHAPE, chunk=3))
    next(chunks), next(chunks)
    assert taken <= 9
