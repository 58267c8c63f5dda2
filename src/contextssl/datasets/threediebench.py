"""3DIEBench (Garrido et al., 2023) and 3DIEBench-T (Konstantinou et al., 2025) as published, or packed into a store; and 3DIEBench-OOD (Ghaemi et
al., 2025) as a further split of either.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contextssl.config.data_settings import CheckSettings, DataSettings, ShapesSettings, names_of
from contextssl.data_set import Checked, DataSet, Foreseen, Opened
from contextssl.errors import DataError

if TYPE_CHECKING:
    from contextssl.data.threediebench_folder import ThreeDIEBenchSource


def _source(settings: DataSettings) -> ThreeDIEBenchSource:
    from contextssl.data.threediebench_folder import ThreeDIEBenchSource

    if settings.data_dir is None:
        raise DataError(
            "no data: give data_dir=DIR, the folder of 3DIEBench (github.com/facebookresearch/SIE says how to get its 17 GB), "
            "or train on rendered shapes at once with dataset=shapes"
        )
    return ThreeDIEBenchSource(Path(settings.data_dir), resize=settings.resize)


def _open(settings: DataSettings, progress: bool) -> Opened:
    from contextssl.data.opened import packed, rendered
    from contextssl.data.splits import OOD
    from contextssl.data.store import Store, open_store, verify_of
    from contextssl.data.stored import is_store
    from contextssl.data.threediebench_folder import other_views, packed_folder

    def beside(root: Path) -> Path:
        return packed_folder(root, settings.resolution, settings.resize)

    if settings.data_dir is not None and is_store(Path(settings.data_dir)):
        store = open_store(Path(settings.data_dir), verify_of(settings))
    else:
        store = packed(_source(settings), beside(Path(str(settings.data_dir))), settings, progress, beside=False)
    if settings.ood_dir is None:
        return rendered(store, settings)
    root = Path(settings.ood_dir)

    def ood() -> Store:
        if is_store(root):
            return open_store(root, verify_of(settings))
        source = other_views(root, OOD, [store[split] for split in store if split != "train"], settings.resize)
        return packed(source, beside(root), settings, progress, beside=False)

    return rendered(store, settings, ood)


def _foreseen(settings: DataSettings) -> Foreseen:
    from contextssl.data.opened import foreseen_of_objects

    return foreseen_of_objects(settings, _source(settings).factors)


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
    reads=("data_dir", "ood_dir", "resolution", "factors", "resize"),
    source="3DIEBench folder",
    # This name opens a store of shapes too.
    packed_by=names_of(ShapesSettings),
    foreseen=_foreseen,
    recognises=_recognises,
    check=_check,
)
