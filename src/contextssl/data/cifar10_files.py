"""CIFAR-10 (Krizhevsky, 2009) from the files that torchvision reads, as items of one view each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from contextssl.data.image_folder import check_fraction
from contextssl.data.photo import fitted
from contextssl.data.source import Item, SingleViewSource
from contextssl.data.splits import stratified_cut
from contextssl.errors import DataError, nearest
from contextssl.system.files import storage_error

SIDE = 32


def cifar10_source(data_dir: str | Path, download: bool = False, val_fraction: float = 0.1, seed: int = 0) -> Cifar10Source:
    """CIFAR-10 in ``data_dir``, where ``cifar-10-batches-py`` is, or ``cifar-10-python.tar.gz``, which is then unpacked next to itself.

    Args:
        download: fetch the 170 MB from www.cs.toronto.edu where they are missing.
        val_fraction: the part of each class's training images that is held out as ``val``; ``seed`` is of that cut.

    Raises:
        DataError: where the files are missing or damaged, by torchvision's checksums, or cannot be downloaded.
        SettingsError: for a fraction outside 0 to 1.
    """
    check_fraction(val_fraction)
    root = Path(data_dir)
    _ensure(root, download)
    return Cifar10Source(root, val_fraction, seed)


class Cifar10Source(SingleViewSource):
    """An :class:`~contextssl.data.source.ItemSource` of one view per item and no factors; see :func:`cifar10_source`.

    The splits are ``train`` and ``val``, cut class by class from the 50,000, and ``test``, the 10,000. The raw latents of a view are its
    height and width in pixels. A pickled source holds no pixels: each process reads those that it needs from the files.
    """

    channels = 3

    def __init__(self, root: Path, val_fraction: float = 0.1, seed: int = 0) -> None:
        self.root, self.val_fraction, self.seed = root, val_fraction, seed
        # The pixels (n, 32, 32, 3) of the 50,000 under True and of the 10,000 under False, once they are needed.
        self._pixels: dict[bool, np.ndarray] = {}
        train, test = _load(root, train=True), _load(root, train=False)
        self.class_names: tuple[str, ...] = tuple(train.classes)
        held = stratified_cut(np.array(train.targets), val_fraction, seed)
        # Of each split, whether it is of the 50,000 and the places of its images among them.
        self._places: dict[str, tuple[bool, np.ndarray]] = {
            "train": (True, np.flatnonzero(~held)),
            "val": (True, np.flatnonzero(held)),
            "test": (False, np.arange(len(test.targets))),
        }
        self.splits: Mapping[str, Sequence[Item]] = {
            split: [self._item(train if of_train else test, place) for place in places.tolist()]
            for split, (of_train, places) in self._places.items()
        }

    def _item(self, files: CIFAR10, place: int) -> Item:
        label = files.targets[place]
        return Item(f"{'train' if files.train else 'test'}/{self.class_names[label]}/{place:05d}", label)

    @property
    def description(self) -> dict[str, Any]:
        """Plain values that determine every pixel; the files are those of the published checksums, wherever they lie."""
        return {"kind": "CIFAR-10", "val_fraction": self.val_fraction, "seed": self.seed}

    def read(
        self, split: str, index: int, resolution: int
    ) -> tuple[UInt8[np.ndarray, "1 {resolution} {resolution} 3"], Float64[np.ndarray, "1 2"]]:
        """One image: (1, H, W, 3) uint8, resized by a bicubic filter where ``resolution`` is not 32, and its size (1, 2) float64: 32, 32. Raises
        DataError where the files have gone or were changed.
        """
        if split not in self.splits:
            raise DataError(f"unknown split {split!r}: {nearest(split, self.splits)}")
        of_train, places = self._places[split]
        if of_train not in self._pixels:
            self._pixels[of_train] = _load(self.root, of_train).data
        pixels = self._pixels[of_train][places[index]]
        if resolution != SIDE:
            pixels = np.array(fitted(Image.fromarray(pixels), resolution))
        return pixels[None], np.full((1, 2), SIDE, np.float64)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": {}}


def _ensure(root: Path, download: bool) -> None:
    """Unpacks the archive, or downloads it where the settings say so, where the files are missing."""
    folder, archive = root / CIFAR10.base_folder, root / CIFAR10.filename
    files = (*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"]))
    if all(check_integrity(folder / name, md5) for name, md5 in files):
        return
    if not download and not archive.is_file():
        if folder.is_dir():
            raise DataError(
                f"{folder} is damaged or not whole: say download=true where there is a network, or put {archive.name} in {root}"
            )
        raise DataError(
            f"no CIFAR-10 in {root}: say download=true where there is a network, put {archive.name} there, "
            "or point dataset=images at a folder of images"
        )
    if not download and not check_integrity(archive, CIFAR10.tgz_md5):
        raise DataError(f"{archive} is damaged or not the published one (its MD5 differs): copy it again, or say download=true")
    try:
        CIFAR10(root, download=True)
    except (OSError, RuntimeError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise storage_error(error, root, "get CIFAR-10 into") from error
        raise DataError(f"cannot get CIFAR-10 into {root}: {error}; check the network, or put {archive.name} there") from error


def _load(root: Path, train: bool) -> CIFAR10:
    """The 50,000 or the 10,000 images in memory: ``data`` (n, 32, 32, 3) uint8 and ``targets``. They are pickles, which can run code, so
    torchvision reads them only where their checksums are the published ones.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of how the arrays were pickled in 2009
            return CIFAR10(root, train)
    except RuntimeError as error:
        raise DataError(f"{root / CIFAR10.base_folder} is damaged or not whole: remove it, and put {CIFAR10.filename} in {root}") from error
    except OSError as error:
        raise storage_error(error, root / CIFAR10.base_folder, "read") from error
