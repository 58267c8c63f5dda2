"""3DIEBench (Garrido et al., 2023) as published, or packed into a store."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import CheckSettings, DataSettings, ShapesSettings, names_of
from contextssl.data_set import Checked, DataSet, Foreseen, Opened
from contextssl.errors import DataError


def _open(settings: DataSettings, progress: bool) -> Opened:
    from contextssl.data.opened import packed, rendered
    from contextssl.data.store import open_store, verify_of
    from contextssl.data.stored import is_store
    from contextssl.data.threediebench_folder import ThreeDIEBenchSource, packed_folder

    if settings.data_dir is None:
        raise DataError(
            "no data: give data_dir=DIR, the folder of 3DIEBench (github.com/facebookresearch/SIE says how to get its 17 GB), "
            "or train on rendered shapes at once with dataset=shapes"
        )
    root = Path(settings.data_dir)
    if is_store(root):
        return rendered(open_store(root, verify_of(settings)), settings)
    source = ThreeDIEBenchSource(root, resize=settings.resize)
    return rendered(packed(source, packed_folder(root, settings.resolution, settings.resize), settings, progress, beside=False), settings)


def _foreseen(settings: DataSettings) -> Foreseen:
    from contextssl.data.opened import foreseen_of_objects

    return foreseen_of_objects(settings)


def _recognises(path: Path) -> bool:
    from contextssl.data.published_layout import is_published

    return is_published(path)


def _check(settings: CheckSettings) -> Checked:
    from contextssl.data.folder_check import check_folder

    return check_folder(Path(str(settings.data_dir)), workers=settings.workers or None, progress=settings.progress)


DATA_SET = DataSet(
    "3diebench",
    _open,
    place=1,
    views="images",
    reads=("data_dir", "resolution", "factors", "resize"),
    source="3DIEBench folder",
    # This name opens a store of shapes too.
    packed_by=names_of(ShapesSettings),
    foreseen=_foreseen,
    recognises=_recognises,
    check=_check,
)
