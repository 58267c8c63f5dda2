"""Images as users have them, as tensors that a model takes: paths, PIL images, arrays, tensors, a folder or an archive, a DataLoader, a generator."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from contextssl.data.layout import list_images
from contextssl.data.listed import FILE_BYTES
from contextssl.data.origins import file_mark
from contextssl.data.parallel import available_cpus
from contextssl.data.photo import SUFFIXES, photo_of, read_photo
from contextssl.digest import digest_of
from contextssl.errors import DataError, InputError
from contextssl.system.files import read_regular, storage_error

# What :func:`given_images` takes.
Given: TypeAlias = Tensor | np.ndarray | Image.Image | str | os.PathLike[str] | Dataset[Any] | Iterable[Any]
Unreadable: TypeAlias = Literal["refuse", "skip"]

# How many numbers a pixel may have in an array.
CHANNELS = (1, 3, 4)
# How many numbers of images are held at once, and how many images at most.
CHUNK_NUMBERS, MOST_IMAGES = 1 << 25, 512


@dataclass(frozen=True)
class Chunk:
    """Some images in their order: (n, C, H, W) and the name of each.

    Args:
        skipped: those among them that cannot be read, by name, with the reason.
    """

    names: tuple[str, ...]
    images: Tensor
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ToRead:
    """One image that is still to be read: its name, how, and what changes when its file does."""

    name: str
    read: Callable[[], UInt8[Tensor, "C H W"]]
    mark: Callable[[], str] = str


@dataclass(frozen=True)
class GivenImages:
    """Images that are read a chunk at a time: memory does not grow with their number. Made by :func:`given_images`; iterating gives the chunks.

    Args:
        batches: tensors (n, C, H, W) as they are given; or else
        files: single images that are to be read.
        count: how many there are; None where that is not known before the last.
        names: paths; None for images without, whose names are their numbers, counted from 0.
    """

    count: int | None
    names: tuple[str, ...] | None = None
    batches: Iterable[Any] | None = None
    files: Iterable[ToRead] = ()
    shape: Sequence[int] = ()
    chunk: int | None = None
    unreadable: Unreadable = "refuse"

    def __iter__(self) -> Iterator[Chunk]:
        """The chunks. Raises InputError for what is no image, or has a shape, a dtype or a range that cannot be taken; DataError for a file that is
        missing or cannot be read, unless such are skipped.
        """
        yield from self._read() if self.batches is None else self._cut(self.batches)

    def without(self, chunks: Collection[int]) -> GivenImages:
        """The same without the images of some chunks, by number. Raises InputError where the images are not all listed, as in a generator."""
        if not chunks:
            return self
        if not isinstance(self.files, list) or self.batches is not None:
            raise InputError("only images that are listed can be read from the middle on: give a folder, an archive or a list of paths")
        size = self.chunk or images_at_once(self.shape)
        files = [file for number, file in enumerate(self.files) if number // size not in chunks]
        return replace(self, files=files, count=len(files), names=None if self.names is None else tuple(file.name for file in files))

    @property
    def digest(self) -> str | None:
        """16 hexadecimal digits of the names, sizes and times of change of files that are listed; None of other images."""
        if not isinstance(self.files, list) or self.batches is not None:
            return None
        return digest_of([[file.name, file.mark()] for file in self.files])

    def _cut(self, batches: Iterable[Any]) -> Iterator[Chunk]:
        number = 0
        for batch in batches:
            if not isinstance(batch, Tensor) or batch.ndim == 0:
                raise InputError(f"images come as a {type(batch).__name__}: give tensors (n, C, H, W), alone or before their labels")
            for part in batch.split(self.chunk or images_at_once(batch.shape[1:])):
                yield Chunk(tuple(map(str, range(number, number + len(part)))), part)
                number += len(part)

    def _read(self) -> Iterator[Chunk]:
        """Threads read a chunk while the one before it is used."""
        files, size = iter(self.files), self.chunk or images_at_once(self.shape)
        with ThreadPoolExecutor(available_cpus()) as pool:

            def begun() -> list[tuple[str, Future[Tensor]]]:
                return [(file.name, pool.submit(file.read)) for file in islice(files, size)]

            coming = begun()
            try:
                while coming:
                    now, coming = coming, begun()
                    yield self._gathered(now)
            finally:
                for _, future in coming:
                    future.cancel()

    def _gathered(self, begun: Sequence[tuple[str, Future[Tensor]]]) -> Chunk:
        names: list[str] = []
        images: list[Tensor] = []
        skipped: list[tuple[str, str]] = []
        for name, future in begun:
            try:
                images.append(future.result())
                names.append(name)
            except DataError as error:
                if self.unreadable == "refuse":
                    raise
                skipped.append((name, str(error)))
        whole = torch.stack(images) if images else torch.zeros(0, *self.shape, dtype=torch.uint8)
        return Chunk(tuple(names), whole, tuple(skipped))


def given_images(
    given: Given, view_shape: Sequence[int] | None, *, chunk: int | None = None, unreadable: Unreadable = "refuse"
) -> GivenImages:
    """Images, to be read a chunk at a time.

    Args:
        given: a path of an image, of a folder or an archive of images; a PIL image; an array (n, H, W, C), (n, C, H, W), (H, W, C) or (H, W), uint8
            in 0 to 255 or floats in 0 to 1, which are rounded to 256 levels; a tensor (n, C, H, W); a list, a generator or a Dataset of these, one
            image each (a tensor (C, H, W)); a DataLoader of tensors. Of a pair such as image and label the first is taken.
        view_shape: (C, H, W) of the model. Files, PIL images and arrays are brought to it as photos are for training: upright, the shorter side
            scaled, the middle square cut out. Tensors are taken as they are. None where it is not known, and only tensors can be taken.
        chunk: how many at once; default: :func:`images_at_once`.
        unreadable: ``"refuse"`` to raise at an image that cannot be read, ``"skip"`` to leave it out and say so.

    Raises:
        InputError: for what is no image, of a model whose ``view_shape`` is not known.
        DataError: for a folder without images, or one that is not there.
    """
    if isinstance(given, Tensor):
        return GivenImages(len(given) if given.ndim else 0, batches=[given], chunk=chunk)
    if isinstance(given, DataLoader):
        return GivenImages(_length(given.dataset), batches=map(_first, given), chunk=chunk)
    if isinstance(given, (str, os.PathLike)):
        found = _of_path(Path(given), known(view_shape))
        return GivenImages(len(found), tuple(file.name for file in found), None, found, known(view_shape), chunk, unreadable)
    if isinstance(given, np.ndarray):
        each: Iterable[Any] = _of_array(given, known(view_shape))
    elif isinstance(given, Image.Image):
        each = [given]
    elif isinstance(given, Dataset):
        each = (_first(given[number]) for number in range(_length(given) or 0))
    elif isinstance(given, Iterable):
        each = (_first(part) for part in given)
    else:
        raise InputError(f"images are a {type(given).__name__}: give paths, PIL images, arrays, tensors, a folder or a DataLoader")
    several = iter(each)
    first = next(several, None)
    total = _length(each if isinstance(given, (np.ndarray, Image.Image)) else given)
    if isinstance(first, Tensor):
        return GivenImages(total, batches=_stacked(first, several, chunk), chunk=chunk)
    listed = given if isinstance(given, (list, tuple)) else [None]
    names = tuple(map(str, listed)) if all(isinstance(path, (str, os.PathLike)) for path in listed) else None
    shape = known(view_shape)
    all_of_them = chain([first], several) if first is not None else ()
    files = (_to_read(image, number, shape) for number, image in enumerate(all_of_them))
    return GivenImages(total, names, None, files, shape, chunk, unreadable)


def known(view_shape: Sequence[int] | None) -> Sequence[int]:
    """The (C, H, W) of a model's images. Raises InputError where it is not known."""
    if view_shape is None or len(view_shape) != 3:
        raise InputError(
            "the size of this model's images is not known, so files, PIL images and arrays cannot be brought to it: give tensors (n, C, H, W), or "
            "set model.view_shape = (C, H, W)"
        )
    return view_shape


def images_at_once(shape: Sequence[int]) -> int:
    """How many images of a shape (C, H, W) go through a network at once: fewer of large ones."""
    return max(1, min(MOST_IMAGES, CHUNK_NUMBERS // max(1, int(np.prod(shape)))))


def one_image(given: Any, name: str, shape: Sequence[int]) -> UInt8[Tensor, "C H W"]:
    """One image of a ``shape`` (C, H, W), from a file's path, a PIL image or an array (H, W), (H, W, C) or (C, H, W); ``name`` is what errors call
    it. Raises InputError, DataError as :func:`given_images`.
    """
    channels, size = shape[0], shape[-1]
    if isinstance(given, (str, os.PathLike)):
        return _as_tensor(read_photo(_bytes(Path(given)), str(given), size, channels).pixels)
    if isinstance(given, np.ndarray):
        levels = _levels(given, name)
        if levels.ndim == 3 and levels.shape[2] not in CHANNELS:
            levels = levels.transpose(1, 2, 0)
        if levels.ndim not in (2, 3) or 0 in levels.shape or (levels.ndim == 3 and levels.shape[2] not in CHANNELS):
            raise InputError(f"image {name} is an array of shape {given.shape}: give (H, W), or (H, W, C) with 1, 3 or 4 channels")
        if levels.shape == (*shape[1:], channels):
            return _as_tensor(levels)
        given = Image.fromarray(np.ascontiguousarray(levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels))
    if not isinstance(given, Image.Image):
        raise InputError(f"image {name} is a {type(given).__name__}: give a path, a PIL image, an array or a tensor")
    return _as_tensor(photo_of(given, f"image {name}", size, channels).pixels)


def _to_read(image: Any, number: int, shape: Sequence[int]) -> ToRead:
    name = str(image) if isinstance(image, (str, os.PathLike)) else str(number)
    return ToRead(name, partial(one_image, image, name, shape))


def _of_path(path: Path, shape: Sequence[int]) -> list[ToRead]:
    """The images of a folder or an archive, or the one image."""
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return [ToRead(str(path), partial(one_image, path, str(path), shape), partial(file_mark, path))]
    listing, (channels, *_, size) = list_images(path), shape

    def read(name: str) -> Tensor:
        return _as_tensor(read_photo(listing.read(name), listing.where(name), size, channels).pixels)

    return [ToRead(listing.top + name, partial(read, name), partial(listing.files.mark, listing.top + name)) for name in listing.names]


def _of_array(array: np.ndarray, shape: Sequence[int]) -> Sequence[np.ndarray]:
    """The images of an array."""
    several = array.ndim == 4 or (array.ndim == 3 and array.shape[2] not in CHANNELS and shape[0] == 1)
    return list(array) if several else [array]


def _stacked(first: Tensor, rest: Iterable[Any], chunk: int | None) -> Iterator[Tensor]:
    """Tensors of one image each, as batches."""
    if first.ndim != 3:
        raise InputError(f"image 0 has shape {tuple(first.shape)}: in a list each tensor is (C, H, W)")
    held, size = [first], chunk or images_at_once(first.shape)
    for number, each in enumerate(rest, 1):
        if not isinstance(each, Tensor) or each.shape != first.shape or each.dtype != first.dtype:
            what = f"{each.dtype} {tuple(each.shape)}" if isinstance(each, Tensor) else f"a {type(each).__name__}"
            raise InputError(f"image {number} is {what}, and image 0 {first.dtype} {tuple(first.shape)}: give all in one size and dtype")
        if len(held) == size:
            yield torch.stack(held)
            held = []
        held.append(each)
    yield torch.stack(held)


def _as_tensor(pixels: UInt8[np.ndarray, "H W C"]) -> UInt8[Tensor, "C H W"]:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path, FILE_BYTES)
    except OSError as error:
        raise storage_error(error, path, "read the image") from error


def _levels(array: np.ndarray, name: str) -> UInt8[np.ndarray, " ..."]:
    """An array's numbers as uint8."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"image {name} is an array of {array.dtype}: give uint8 in 0 to 255, or floats in 0 to 1")
    if not np.isfinite(array).all():
        raise InputError(f"image {name} holds NaN or infinity: fix it before it reaches the model")
    if array.size and (array.min() < 0 or array.max() > 1):
        raise InputError(
            f"image {name} is an array of floats from {array.min():.2f} to {array.max():.2f}: give floats in 0 to 1, uint8 in 0 to 255, or "
            "normalised images as a tensor (n, C, H, W)"
        )
    return (array * 255).round().astype(np.uint8)


def _first(part: Any) -> Any:
    """The image of what a loader or a data set gives."""
    return part[0] if isinstance(part, (tuple, list)) and part else part


def _length(given: Any) -> int | None:
    try:
        return len(given)
    except TypeError:
        return None
