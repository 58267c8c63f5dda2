"""Images in folders, or a tar or zip of them: each view is an augmentation of one."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import PACKED_PHOTOS, CheckSettings, DataSettings, PhotosSettings, names_of
from contextssl.data_set import Checked, DataSet, Foreseen, Opened
from contextssl.errors import DataError


def _open(settings: DataSettings, progress: bool) -> Opened:
    from contextssl.data.image_folder import ImagesSource
    from contextssl.data.opened import packed, saying, workers_of
    from contextssl.data.photos import augmented, folder_of
    from contextssl.data.small_images import refuse_constant
    from contextssl.data.store import open_store, verify_of
    from contextssl.data.stored import is_store

    if settings.data_dir is None:
        raise DataError("no data: give data_dir=DIR, a folder of images (one subfolder per class, or none), or a tar or zip of one")
    root = Path(settings.data_dir)
    if is_store(root):
        return augmented(open_store(root, verify_of(settings)), settings)
    source = ImagesSource(
        root,
        labels=settings.labels,
        val_fraction=settings.val_fraction,
        split_file=settings.split_file,
        channels=settings.channels,
        unreadable=settings.unreadable,  # type: ignore[arg-type]
        seed=settings.split_seed,
        workers=workers_of(settings),
        progress=progress,
    )
    folder = folder_of(source, root.resolve().name.split(".")[0] or "images", settings)
    if not is_store(folder):
        for note in source.notes:
            saying(progress)(f"note: {note}")
        refuse_constant(source)
    return augmented(packed(source, folder, settings, progress, beside=True), settings)


def _foreseen(settings: DataSettings) -> Foreseen:
    from contextssl.data.photos import augmentations_named

    return augmentations_named(settings).factors, (settings.channels, settings.resolution, settings.resolution)


def _check(settings: CheckSettings) -> Checked:
    from contextssl.data.image_check import check_images

    return check_images(settings)


DATA_SET = DataSet(
    "images",
    _open,
    place=9,
    views="images",
    reads=("data_dir", "resolution", *(name for name in names_of(PhotosSettings) if name != "download")),
    usual="photos_minutes",
    usual_examples="photos_examples",
    packed_by=PACKED_PHOTOS,
    augments=True,
    foreseen=_foreseen,
    # Anything that no earlier data set recognises; the check reports what is no folder or archive of images.
    recognises=lambda path: True,
    check=_check,
)
