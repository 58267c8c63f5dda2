"""The store of a source: the one that is there, where it was packed from just this, else one that is packed first."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from contextssl.data.journal import SETTINGS
from contextssl.data.pack import pack, settings_of
from contextssl.data.packing_plan import Plan, difference, same_but_for_files
from contextssl.data.source import ItemSource
from contextssl.data.store import MANIFEST, VERSION, Store, Verify, open_store
from contextssl.digest import digest_of
from contextssl.errors import DataError
from contextssl.system.digested_json import read_digested
from contextssl.system.distributed import is_first_process

# How long the other processes of a distributed run wait for the first to render or pack.
PATIENCE_SECONDS = 6 * 3600.0


def is_store(path: Path) -> bool:
    """Whether a folder is a whole packed store; a half-written one is not, and packing it again finishes it."""
    return (path / MANIFEST).is_file()


def stored(
    source: ItemSource,
    folder: Path,
    resolution: int,
    *,
    workers: int | None = None,
    progress: bool = True,
    beside: bool = False,
    verify: Verify = "read",
) -> Store:
    """The store of ``source``, packed first where it is missing; in a distributed run the first process packs and the others wait.

    Args:
        folder: where it is, or is packed into.
        beside: where ``folder`` holds something else, such as what the same files held before they were changed, pack into another folder next to
            it, and say so. For folders that the user did not name: a run that was trained on the old store keeps it.
        verify: as of :func:`~contextssl.data.store.open_store`.

    Raises:
        DataError: where ``folder`` holds something else and ``beside`` is false, naming the first difference; and what packing raises.
    """
    if beside:
        folder = _free_of_others(source, folder, resolution)
    if is_first_process():
        # A whole store is compared with the source too: a name does not say what it was packed from.
        pack(source, folder, resolution, workers=workers, progress=progress)
    began = time.monotonic()
    while not is_store(folder):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise DataError(f"the first process did not finish {folder}: pack it before a distributed run")
        time.sleep(1)
    return open_store(folder, verify)


def _free_of_others(source: ItemSource, folder: Path, resolution: int) -> Path:
    """``folder``, or where that was packed from something else, one named after what is packed now."""
    plan = Plan.of(source, resolution)
    made_from = _made_from(folder, plan)
    if made_from is None or (not is_store(folder) and same_but_for_files(made_from, plan.settings)):
        return folder
    other = difference(folder, made_from, plan)
    if other is None:
        return folder
    new = folder.with_name(f"{folder.name}-{digest_of(plan.settings)[:8]}")
    if is_first_process() and not is_store(new):
        note = f"note: {folder} holds a store with {other}; packing into {new} (remove the old one if no run needs it)"
        print(note, file=sys.stderr, flush=True)
    return new


def _made_from(folder: Path, plan: Plan) -> dict[str, Any] | None:
    """What a whole or a half-written store is packed from; None where there is neither."""
    try:
        if not is_store(folder) and (folder / SETTINGS).is_file():
            return read_digested(folder / SETTINGS, f"remove {folder}, and pack it again", VERSION, "version")
    except DataError:
        if not is_store(folder):  # else another process has finished it in between
            raise
    return settings_of(folder, plan) if is_store(folder) else None
