"""Writing the published folder layout of 3DIEBench from any source with its latents, for tools that read that layout."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from contextssl.data.packing_plan import first_difference, listing_of
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.data.published_latents import RAW_LATENTS, WIDTHS
from contextssl.data.published_layout import FOLDER_FILE, meta_files
from contextssl.data.source import ItemSource
from contextssl.errors import DataError, SettingsError
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.files import array_bytes, atomic_folder, storage_error, write_array
from contextssl.system.locks import locked
from contextssl.system.progress import Meter
from contextssl.version import __version__

ImageFormat = Literal["jpg", "png"]
PARTIAL = ".partial"
LOCK = ".writing.lock"
JPEG_QUALITY = 95


def write_folder(
    source: ItemSource,
    out: str | Path,
    resolution: int,
    image_format: ImageFormat = "jpg",
    workers: int | None = None,
    progress: bool = True,
    quality: int = JPEG_QUALITY,
) -> Path:
    """Writes ``NAME/image_i.jpg``, ``NAME/latent_i.npy`` and ``meta/{split}_{images,labels}.npy``, or finishes where it was stopped.

    An item appears whole or not at all, and the lists in ``meta`` are written last. ``meta/folder.json`` holds the class names and where
    the data came from; other programs for the published layout ignore it. While another process writes there, this one waits.

    Args:
        source: what to write; its latents must be the seven of 3DIEBench or the ten of 3DIEBench-T, for which this layout is.
        image_format: ``"jpg"`` (small, lossy, colours at full resolution, of ``quality`` 1 to 100) or ``"png"`` (lossless).
        workers: processes that read and write items; default: one per processor; 0 or 1: none but this one.

    Raises:
        DataError: where an item cannot be read, the disk is full, or ``out`` was begun with other settings.
        SettingsError: for an unknown format, or a source with other latents.
    """
    out = Path(out)
    if image_format not in ("jpg", "png"):
        raise SettingsError(f"image_format={image_format!r}: use 'jpg' or 'png'")
    if resolution < 1 or not 1 <= quality <= 100:
        raise SettingsError(f"resolution={resolution}, quality={quality}: the first must be at least 1, the second 1 to 100")
    if WIDTHS.get(source.raw_width) != source.factors:
        raise SettingsError(
            f"the folder layout holds the {len(RAW_LATENTS)} latents of 3DIEBench ({', '.join(RAW_LATENTS)}), or these and three offsets, "
            f"and this source has factors {', '.join(source.factors.names)} from {source.raw_width}: pack it into a store instead"
        )
    settings = {
        "made_by": f"contextssl {__version__}",
        "resolution": resolution,
        "image_format": image_format,
        "quality": quality if image_format == "jpg" else None,
        **listing_of(source),
    }
    settings = json.loads(json.dumps(settings, allow_nan=False))
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / LOCK, f"writing into {out}"):
            _begin(out, settings)
            _write_items(_Job(source, out, resolution, image_format, quality), workers, progress)
            for split, items in source.splits.items():
                images_file, labels_file = meta_files(out, split)
                write_array(labels_file, np.array([item.label for item in items], np.int64))
                write_array(images_file, np.array([f"/{item.name}/" for item in items]))
    except OSError as error:
        raise storage_error(error, error.filename or out, "write") from error
    return out


def _begin(out: Path, settings: dict[str, Any]) -> None:
    """Says in ``out`` what is written there. Raises DataError where it holds something else."""
    settings_file = out / "meta" / FOLDER_FILE
    if settings_file.is_file():
        found = read_digested(settings_file, f"remove {out}, and write it again")
        if found != settings:
            key, _, _ = first_difference(found, settings)
            raise DataError(
                f"{out} was written with other settings ({key} differs, see {settings_file}): choose another folder, or remove this one"
            )
    elif any(not _is_unfinished(path) for path in out.iterdir()):
        raise DataError(f"{out} holds other files: choose a folder that is new or empty")
    else:
        for left_over in settings_file.parent.glob(".*.tmp*"):
            left_over.unlink()
        write_digested(settings_file, settings)


def _is_unfinished(path: Path) -> bool:
    """Whether it is what a process leaves that was killed before it had said what is written there."""
    if path.name == "meta" and path.is_dir():
        return all(each.name.startswith(".") and ".tmp" in each.name for each in path.iterdir())
    return path.name == LOCK


class _Job(NamedTuple):
    source: ItemSource
    out: Path
    resolution: int
    image_format: str
    quality: int


def _write_items(job: _Job, workers: int | None, progress: bool) -> None:
    source, out, views = job.source, job.out, job.source.num_views
    shutil.rmtree(out / PARTIAL, ignore_errors=True)
    order = [(split, index, item.name) for split, items in source.splits.items() for index, item in enumerate(items)]
    expected = {name for view in range(views) for name in (f"image_{view}.{job.image_format}", f"latent_{view}.npy")}
    tasks = [task for task in order if not _is_whole(out / task[2], expected)]
    meter = Meter(f"writing {out.name}", len(order) * views, "images", (len(order) - len(tasks)) * views, progress)
    try:
        with closing(map_tasks(_write_item, job, tasks, chosen_workers(workers, len(tasks)))) as results, meter:
            for _ in results:
                meter.advance(views)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"writing stopped: what is in {out} is kept; run the same command again to resume") from None
    finally:
        shutil.rmtree(out / PARTIAL, ignore_errors=True)
    with suppress(AttributeError):  # Windows has none
        os.sync()


def _is_whole(folder: Path, expected: set[str]) -> bool:
    """Whether an item has all of its files, and none is empty, as one may be after a power cut."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.stat().st_size} >= expected
    except OSError:
        return False


def _write_item(job: _Job, task: tuple[str, int, str]) -> None:
    split, index, name = task
    try:
        pixels, raw = job.source.read(split, index, job.resolution)
    except (DataError, OSError):
        raise
    except Exception as error:
        raise DataError(f"cannot read {name} (item {index} of {split!r}): {type(error).__name__}: {error}; fix the source") from error
    with atomic_folder(job.out / name, job.out / PARTIAL / f"{split}-{index}") as folder:
        for view in range(job.source.num_views):
            image = Image.fromarray(pixels[view] if job.source.channels == 3 else pixels[view, ..., 0])
            options: dict[str, Any] = {"quality": job.quality, "subsampling": 0} if job.image_format == "jpg" else {}
            image.save(folder / f"image_{view}.{job.image_format}", **options)
            (folder / f"latent_{view}.npy").write_bytes(array_bytes(raw[view].astype(np.float64)))
