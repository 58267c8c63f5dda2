"""CIFAR-10 (Krizhevsky, 2009): each view is an augmentation of a photo."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import PACKED_PHOTOS, DataSettings, PhotosSettings, names_of
from contextssl.data_set import DataSet, Foreseen, Opened
from contextssl.errors import SettingsError

FOLDER = "datasets/cifar10"
# Settings of dataset=images that mean nothing here.
OF_IMAGES = ("channels", "labels", "split_file", "unreadable")


def _open(settings: DataSettings, progress: bool) -> Opened:
    from contextssl.data.cifar10_files import cifar10_source
    from contextssl.data.opened import packed
    from contextssl.data.photos import augmented, folder_of
    from contextssl.data.store import open_store, verify_of
    from contextssl.data.stored import is_store

    usual = PhotosSettings()
    for name in OF_IMAGES:
        if getattr(settings, name) != getattr(usual, name):
            raise SettingsError(
                f"{name}={getattr(settings, name)} means nothing to dataset=cifar10: leave it out (it is for dataset=images)"
            )
    root = Path(settings.data_dir if settings.data_dir is not None else FOLDER)
    if is_store(root):
        return augmented(open_store(root, verify_of(settings)), settings)
    source = cifar10_source(root, settings.download, settings.val_fraction, settings.split_seed)
    return augmented(packed(source, folder_of(source, "cifar10", settings), settings, progress, beside=True), settings)


def _foreseen(settings: DataSettings) -> Foreseen:
    from contextssl.data.photos import augmentations_named

    return augmentations_named(settings).factors, (3, settings.resolution, settings.resolution)


DATA_SET = DataSet(
    "cifar10",
    _open,
    place=3,
    views="images",
    reads=("data_dir", "resolution", *names_of(PhotosSettings)),
    usual="photos_minutes",
    usual_examples="photos_examples",
    source="CIFAR-10",
    packed_by=PACKED_PHOTOS,
    augments=True,
    foreseen=_foreseen,
)
