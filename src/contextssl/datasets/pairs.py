"""Pairs of images that a user lists, each with its kind, without any factor value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextssl.config.data_settings import CheckSettings, DataSettings
from contextssl.data_set import DataSet

if TYPE_CHECKING:
    from contextssl.config.settings import TrainSettings
    from contextssl.data.dataset import Data
    from contextssl.data_set import Checked
    from contextssl.factors import FactorSpace

# The list's name, where a folder is named.
FILE = "pairs.csv"


def _open(settings: DataSettings, progress: bool) -> Data:
    from contextssl.data.opened import packed, saying, workers_of
    from contextssl.data.pair_images import ListedImages, folder_name, keep_pairs, listed, listing_of
    from contextssl.data.pair_list import pair_file, read_pair_list
    from contextssl.data.photos import folder_of
    from contextssl.data.small_images import find_unreadable, refuse_constant
    from contextssl.data.store import open_store, verify_of
    from contextssl.data.stored import is_store
    from contextssl.data.without_values import refuse_what_reads_values

    refuse_what_reads_values(settings)
    if settings.data_dir is not None and is_store(Path(settings.data_dir)):
        return listed(open_store(Path(settings.data_dir), verify_of(settings)), settings)
    file = pair_file(settings.data_dir, settings.path)
    found = read_pair_list(file)
    skipped: tuple[str, ...] = ()
    if settings.unreadable == "skip" and (skipped := find_unreadable(listing_of(found), workers_of(settings), progress)):
        found = read_pair_list(file, skipped)
        saying(progress)(f"note: {len(skipped):,} images cannot be read, such as {skipped[0]}; their pairs are passed over")
    source = ListedImages(found, val_fraction=settings.val_fraction, channels=settings.channels, seed=settings.split_seed, skipped=skipped)
    folder = folder_of(source, folder_name(file), settings)
    if not is_store(folder):
        for note in source.notes:
            saying(progress)(f"note: {note}")
        refuse_constant(source)
    store = packed(source, folder, settings, progress, beside=True)
    keep_pairs(store, source)
    return listed(store, settings, source.pairs)


def _foreseen(settings: TrainSettings) -> tuple[FactorSpace, tuple[int, ...]]:
    from contextssl.data.pair_list import pair_file, read_pair_list
    from contextssl.data.without_values import refuse_what_reads_values

    refuse_what_reads_values(settings)
    found = read_pair_list(pair_file(settings.data_dir, settings.path))
    return found.factors, (settings.channels, settings.resolution, settings.resolution)


def _recognises(path: Path) -> bool:
    return (path / FILE).is_file() or path.name == FILE


def _check(settings: CheckSettings) -> Checked:
    from contextssl.data.pair_check import check_pairs

    return check_pairs(settings)


def _about(source: Mapping[str, Any]) -> str:
    images = ", ".join(f"{count:,} {split}" for split, count in source["items"].items())
    return f"{source['pairs']:,} pairs of the kinds {', '.join(source['kinds'])}; images: {images}"


DATA_SET = DataSet(
    "pairs",
    _open,
    # Before a table, which a list is too.
    place=0,
    views="images",
    reads=("data_dir", "path", "resolution", "val_fraction", "split_seed", "channels", "unreadable"),
    usual="pairs",
    packed_by=("path", "val_fraction", "split_seed", "channels", "unreadable"),
    has_values=False,
    foreseen=_foreseen,
    recognises=_recognises,
    check=_check,
    about=_about,
)
