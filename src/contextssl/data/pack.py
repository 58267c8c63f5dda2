"""Packing: from any source of items to a store that is drawn from without decoding anything.

Workers read items and write their images straight to their place in ``images.npy``, whose space is claimed at the start. The parent keeps a
journal of the items that are done, a record each with a checksum of its own. A pack that is killed goes on from its journal; records that
were written after the images were last flushed to the disk are checked against the images first.
"""

from __future__ import annotations

import json
import math
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from contextssl.data.array_file import claim
from contextssl.data.journal import IMAGES, JOURNAL, SETTINGS, SYNCED, Journal, progress_of, record_type, remove_journal
from contextssl.data.packing_plan import ORIGINS, Plan, changed_since, check_same, same_but_for_files
from contextssl.data.packing_worker import Job, pack_task
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.data.pixel_statistics import channel_statistics
from contextssl.data.source import ItemSource
from contextssl.data.store import (
    CHECKSUMS,
    FORMAT,
    LABELS,
    LATENTS,
    MANIFEST,
    NAMES,
    RAW_LATENTS,
    VERSION,
    digest_of_statistics,
    fingerprint,
)
from contextssl.errors import DataError, SettingsError
from contextssl.system import files
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.files import storage_error, write_array
from contextssl.system.locks import locked
from contextssl.system.progress import Meter
from contextssl.version import __version__

LOCK = "packing.lock"
VIEWS_PER_TASK = 64


def pack(source: ItemSource, out: str | Path, resolution: int, workers: int | None = None, progress: bool = True) -> Path:
    """Packs every split of ``source`` into a store at ``out``, or finishes a pack that was stopped there.

    Args:
        source: where the views come from.
        out: the folder to make, and what is returned. A whole store of the same source, its files unchanged, and resolution is left as it is.
            While another process packs into it, this one waits.
        resolution: height and width of the stored images.
        workers: processes that read items; default: one per processor; 0 or 1: none but this one.

    Raises:
        DataError: where an item cannot be read, the disk is full, or ``out`` holds something else. What is packed is kept, and the same
            call resumes from there.
        SettingsError: for a resolution or a number of workers that cannot be.
    """
    out = Path(out)
    if resolution < 1:
        raise SettingsError(f"resolution={resolution}: give the height and width of the stored images in pixels, at least 1")
    plan = Plan.of(source, resolution)
    if _is_there(out, plan):
        remove_journal(out)
        return out
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / LOCK, f"packing into {out}"):
            # Another process may have packed it all while this one waited.
            if not _is_there(out, plan):
                if not (out / SETTINGS).is_file() and any(path.name != LOCK and path.name[0] != "." for path in out.iterdir()):
                    raise DataError(f"{out} holds other files: choose a folder that is new or empty")
                _pack(source, out, plan, chosen_workers(workers, plan.items), progress)
    except OSError as error:
        raise _full(error, out, plan) from error
    return out


def _is_there(out: Path, plan: Plan) -> bool:
    """Whether ``out`` is whole. Raises DataError where it was packed from something else."""
    if not (out / MANIFEST).is_file():
        return False
    check_same(out, settings_of(out, plan), plan, "holds a store")
    return True


def settings_of(out: Path, plan: Plan) -> dict[str, Any]:
    """What the store at ``out`` was packed from, in the terms of a plan."""
    found = read_digested(out / MANIFEST, "pack the store again, in another folder", VERSION, "version")
    return {key: found.get(key) for key in plan.settings}


def _pack(source: ItemSource, out: Path, plan: Plan, workers: int, progress: bool) -> None:
    images = out / IMAGES
    for left_over in out.glob(".*.tmp*"):
        left_over.unlink(missing_ok=True)
    stale = None
    if (out / SETTINGS).is_file():
        begun = read_digested(out / SETTINGS, f"remove {out}, and pack it again", VERSION, "version")
        if plan.origins is not None and not (out / ORIGINS).is_file() and not (out / JOURNAL).is_file():
            # It was killed between the two files of its description, before it read any item.
            write_array(out / ORIGINS, plan.origins)
        stale = changed_since(out, plan)
        if stale is None or not same_but_for_files(begun, plan.settings):
            check_same(out, begun, plan, "was begun")
    else:
        _describe(out, plan)
    if claim(images, plan.header, plan.file_bytes):
        # The images of the journal were removed or cut: then every record is checked against what is there.
        images.with_name(SYNCED).unlink(missing_ok=True)
    kind, item_bytes = record_type(plan.shape, plan.raw_width), math.prod(plan.shape[1:])
    with Journal(images, kind, plan.items, item_bytes, len(plan.header), stale) as journal:
        if stale is not None:
            _describe(out, plan)
        views = plan.shape[1]
        left = [(number, split, index, item.name) for number, (split, index, item) in enumerate(plan.order) if not journal.done[number]]
        per_task = max(1, min(VIEWS_PER_TASK // views, len(left) // (4 * workers))) if workers > 1 else 1
        tasks = [tuple(left[i : i + per_task]) for i in range(0, len(left), per_task)]
        job = Job(source, images, len(plan.header), plan.shape, plan.raw_width)
        meter = Meter(f"packing {out.name}", plan.items * views, "images", journal.count * views, progress)
        try:
            with closing(map_tasks(pack_task, job, tasks, min(workers, len(tasks)))) as results, meter:
                for records, error in results:
                    for record in records:
                        journal.add(record)
                    meter.advance(len(records) * views)
                    if isinstance(error, OSError):
                        raise error
                    if error is not None:
                        kept = f"{journal.count} of {plan.items} items are kept in {out}"
                        raise DataError(f"{error} [{kept}; run the same command again to resume]") from error
        except KeyboardInterrupt:
            kept = f"packing stopped: {journal.count} of {plan.items} items kept in {out}"
            raise KeyboardInterrupt(f"{kept}; run the same command again to resume") from None
        journal.flush()
        _finish(source, out, plan, journal)


def _describe(out: Path, plan: Plan) -> None:
    write_digested(out / SETTINGS, plan.settings)
    if plan.origins is not None:
        write_array(out / ORIGINS, plan.origins)


def _finish(source: ItemSource, out: Path, plan: Plan, journal: Journal) -> None:
    """Writes the small files, then the manifest, then removes what packing needed."""
    records = journal.records
    raw = np.ascontiguousarray(records["raw"])
    # In parts, since turning angles into factor values takes many times their memory.
    latents = np.concatenate([np.asarray(source.latents(raw[i : i + 4096]), dtype=np.float32) for i in range(0, plan.items, 4096)])
    names = [item.name for _, _, item in plan.order]
    if latents.shape != (*plan.shape[:2], source.factors.width):
        raise DataError(f"the source gave latents of shape {latents.shape}, not {(*plan.shape[:2], source.factors.width)}: fix the source")
    if not np.isfinite(latents).all():
        item, view = (int(n) for n in np.argwhere(~np.isfinite(latents).all(axis=-1))[0])
        raise DataError(f"{names[item]}: the factor values of view {view} are not finite; fix the source")
    contents = {
        LATENTS: files.array_bytes(latents),
        RAW_LATENTS: files.array_bytes(raw),
        LABELS: files.array_bytes(np.array([item.label for _, _, item in plan.order], dtype=np.int64)),
        CHECKSUMS: files.array_bytes(records["crc32"].astype(np.uint32)),
        NAMES: json.dumps(names, ensure_ascii=False).encode(),
    }
    for name, data in contents.items():
        files.write_bytes(out / name, data)
    start, stop = plan.splits[plan.statistics_split]
    mean, std = channel_statistics(records["sums"][start:stop], records["squares"][start:stop], (stop - start) * math.prod(plan.shape[1:4]))
    manifest = {
        "format": FORMAT,
        "made_by": f"contextssl {__version__}",
        **plan.settings,
        "splits": {split: list(bounds) for split, bounds in plan.splits.items()},
        "statistics_split": plan.statistics_split,
        "image_mean": mean,
        "image_std": std,
        "files": {name: {"bytes": len(data), "crc32": zlib.crc32(data)} for name, data in contents.items()},
    }
    digests = {"fingerprint": fingerprint(manifest), "statistics_digest": digest_of_statistics(manifest)}
    write_digested(out / MANIFEST, {**manifest, **digests})
    remove_journal(out)


def _full(error: OSError, out: Path, plan: Plan) -> DataError:
    """What the system refused while the store was written; reading and starting processes have their own errors."""
    done = 0
    with suppress(Exception):
        done = progress_of(out)[0]
    first = "free space and run the same command again" if error.errno in files.FULL_DISK else files.advice(error)
    fix = f"{done} of {plan.items} items are packed and kept; {first}"
    return storage_error(error, error.filename or out / IMAGES, "write", fix, plan.file_bytes)
