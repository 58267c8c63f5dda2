"""Your own images, in a folder or an archive of one, as items of one view each; see :mod:`contextssl.data.layout` for the folders."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, UInt8, UInt64

from contextssl.data import layout as layouts
from contextssl.data.layout import Layout, Listing
from contextssl.data.origins import content_mark, digest_of_origins, origins_of
from contextssl.data.photo import EIGHT_BIT_WHITE, SIXTEEN_BIT_MODES, WHITE, highest_number, read_photo
from contextssl.data.small_images import find_unreadable
from contextssl.data.source import Item, SingleViewSource
from contextssl.data.splits import stratified_cut
from contextssl.errors import DataError, SettingsError, nearest

UNREADABLE = ("refuse", "skip")
# Goes up whenever a change in how images are read changes a pixel: a store that was packed before is not used for what is read now.
READER = 2


class ImagesSource(SingleViewSource):
    """Images of a folder or an archive, an :class:`~contextssl.data.source.ItemSource` of one view per item and no factors.

    The raw latents of a view are the height and width of its file in pixels, upright. Splits with a folder are as they lie. Where there is
    none for validation it is cut from the training images, class by class; a test split is never used for that.

    Args:
        path: a folder, or a tar (plain or compressed) or zip of one. The images of a compressed tar are kept in memory by every process.
        labels: True where folders are classes, False where they mean nothing, None for classes where there are any folders.
        val_fraction: the part of each class that is held out where validation has no folder and there is no ``split_file``.
        split_file: a file that says the split of every image, see :func:`~contextssl.data.layout.read_split_file`; folders of splits then
            mean nothing.
        channels: 3, or 1 for grey.
        unreadable: ``"refuse"`` to stop at an image that cannot be decoded, ``"skip"`` to decode all of them first, skip those, name
            them in ``skipped``, and warn.
        workers: processes that check for unreadable images; default: one per processor; 0 or 1: none but this one.

    Raises:
        DataError: where there are no images, too few to train on, the folders contradict each other, a class has no training image, or
            the split file does not fit.
        SettingsError: for a setting out of range.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        labels: bool | None = None,
        val_fraction: float = 0.1,
        split_file: str | Path | None = None,
        channels: int = 3,
        unreadable: Literal["refuse", "skip"] = "refuse",
        seed: int = 0,
        workers: int | None = None,
        progress: bool = True,
    ) -> None:
        if channels not in (1, 3):
            raise SettingsError(f"channels={channels}: images are read with 3 channels or 1")
        if unreadable not in UNREADABLE:
            raise SettingsError(f"unknown unreadable={unreadable!r}: {nearest(unreadable, UNREADABLE)}")
        check_fraction(val_fraction)
        self.path, self.channels, self.unreadable = Path(path), channels, unreadable
        self.listing = layouts.list_images(self.path)
        self.skipped = find_unreadable(self.listing, workers, progress) if unreadable == "skip" else ()
        if self.skipped:
            warnings.warn(
                f"{len(self.skipped)} of {len(self.listing.names)} images in {self.path} cannot be read and are skipped: "
                f"{', '.join(self.skipped[:3])}{', …' if len(self.skipped) > 3 else ''}",
                UserWarning,
                stacklevel=2,
            )
        names = sorted(set(self.listing.names) - set(self.skipped))
        layout = layouts.lay_out(self.listing, names, labels)
        self.labelled, self.class_names = layout.labelled, layout.class_names
        # What is worth noting and no fault, such as empty folders.
        self.notes = tuple(layouts.notes_on(self.listing, layout))
        if unreadable == "refuse":
            for folder, kinds in layouts.unread_classes(self.listing, layout).items():
                raise DataError(
                    f"the class {folder} of {self.path} holds {kinds}, which cannot be read here: convert them to JPEG or PNG, move the folder "
                    "away, or say unreadable=skip to do without that class"
                )
        splits, self._cut = _splits(self.listing, names, layout, val_fraction, split_file, seed)
        _check_splits(self.path, splits, layout)
        numbers = {name: number for number, name in enumerate(self.class_names)}
        self.splits: Mapping[str, Sequence[Item]] = {
            split: [Item(name, numbers[layout.classes[name]]) for name in members] for split, members in splits.items()
        }

    @cached_property
    def origins(self) -> UInt64[np.ndarray, " N"]:
        """A mark per image that changes when its file does, in the order of the splits; see :mod:`contextssl.data.origins`."""
        files, top = self.listing.files, self.listing.top
        names = [item.name for items in self.splits.values() for item in items]

        def content(name: str) -> str:
            try:
                return content_mark(self.listing.read(name))
            except DataError:
                return "unreadable"

        return origins_of(names, lambda name: files.mark(top + name), None if files.has_checksums else content)

    @cached_property
    def description(self) -> dict[str, Any]:
        """Plain values that determine every pixel."""
        return {
            "kind": "images",
            "reader": READER,
            "path": str(self.path.resolve()),
            "files": digest_of_origins(self.origins),
            "items": {split: len(items) for split, items in self.splits.items()},
            "labelled": self.labelled,
            "validation": self._cut,
            "channels": self.channels,
            "unreadable": self.unreadable,
            "skipped": len(self.skipped),
        }

    def read(
        self, split: str, index: int, resolution: int
    ) -> tuple[UInt8[np.ndarray, "1 {resolution} {resolution} channels"], Float64[np.ndarray, "1 2"]]:
        """One image: (1, H, W, C) uint8 at resolution × resolution, and its height and width in the file (1, 2) float64. Raises DataError naming
        the image that is missing or damaged.
        """
        if split not in self.splits:
            raise DataError(f"unknown split {split!r}: {nearest(split, self.splits)}")
        name = self.splits[split][index].name
        data, where = self.listing.read(name), self.listing.where(name)
        photo = read_photo(data, where, resolution, self.channels, WHITE)
        if photo.highest is not None and photo.highest <= EIGHT_BIT_WHITE and self._eight_bits_in_more:
            if photo.mode not in SIXTEEN_BIT_MODES:
                raise DataError(
                    f"{where} has colours of 16 bits per channel that hold no number above 255, as no other image here does: "
                    "save them with eight bits per channel"
                )
            photo = read_photo(data, where, resolution, self.channels, EIGHT_BIT_WHITE)
        return photo.pixels[None], np.array([[photo.height, photo.width]], np.float64)

    @cached_property
    def _eight_bits_in_more(self) -> bool:
        """Whether no image of more than eight bits holds a number above 255, so that 255 is white in them. A single one that does not may be
        dark, so all are checked, up to the first that is no such image, and only where there is one.
        """
        for name in self.listing.names:
            with suppress(DataError):
                if (highest_number(self.listing.read(name)) or 0) > EIGHT_BIT_WHITE:
                    return False
        return True


def check_fraction(val_fraction: float) -> None:
    """Raises SettingsError where the part held out for validation is none or all."""
    if not 0 < val_fraction < 1:
        raise SettingsError(f"val_fraction={val_fraction}: it is the part of the training images held out, between 0 and 1")


def _splits(
    listing: Listing, names: Sequence[str], layout: Layout, val_fraction: float, split_file: str | Path | None, seed: int
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The images of each split, and plain values that say where the validation split comes from."""
    if split_file is not None:
        split_of = layouts.read_split_file(split_file, listing)
        return layouts.by_split(names, split_of.__getitem__), {"split_file": str(Path(split_file).resolve())}
    if "val" in layout.splits:
        return layout.splits, {"folder": True}
    train = layout.splits["train"]
    held = stratified_cut(np.array([layout.class_names.index(layout.classes[name]) for name in train]), val_fraction, seed)
    kept, cut = ([name for name, out in zip(train, held.tolist(), strict=True) if out is which] for which in (False, True))
    test = {"test": layout.splits["test"]} if "test" in layout.splits else {}
    return {"train": kept, "val": cut, **test}, {"val_fraction": val_fraction, "seed": seed}


def _check_splits(path: Path, splits: Mapping[str, Sequence[str]], layout: Layout) -> None:
    """Raises DataError where training or validation has too few images, or a class has none to train on."""
    train = splits.get("train", ())
    if len(train) < 2:
        raise DataError(f"{path} leaves {len(train)} to train on: there must be at least two images, not counting those for validation")
    if not splits.get("val"):
        raise DataError(f"{path} gives no image to validate on: no class has two images to cut one from, or the split file names none")
    for split, missing in layouts.untrained_classes(splits, layout.classes):
        raise DataError(
            f"the class {missing!r} of {path} has images in {split} but none in train: add some there, or take it out of {split}"
        )
