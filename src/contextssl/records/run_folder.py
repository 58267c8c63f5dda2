"""A run's folder: new, or left by a run that was stopped before its first checkpoint; held by one process at a time."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from contextssl.errors import DataError, SettingsError
from contextssl.system.files import storage_error
from contextssl.system.locks import locked

SETTINGS, METRICS, EVENTS, CHECKPOINTS, LOCK = "settings.json", "metrics.csv", "tensorboard", "checkpoints", ".lock"
# What can be read from the features of a frozen encoder, which is known before anything is trained.
FEATURES = "features.json"
LAST = f"{CHECKPOINTS}/last.ckpt"
# What that was before, until the run is finished; and what it was where that was found to be damaged.
PREVIOUS, DAMAGED = f"{CHECKPOINTS}/last.previous.ckpt", f"{CHECKPOINTS}/last.damaged.ckpt"
# What a run writes before its first checkpoint, next to files under a temporary name (as contextssl.system.files names them).
EARLY_FILES = "|".join(map(re.escape, (SETTINGS, METRICS, FEATURES, LOCK)))
EARLY_FOLDERS = {EVENTS: r"events\.out\.tfevents\..*|hparams\.yaml", CHECKPOINTS: r"(?!)"}
TEMPORARY = (
    r"\.(settings|metrics|features|results|last|last\.previous|best|epoch=\d+|before-non-finite|events\..*)\.[0-9a-f]{8}\.tmp(\..*)?"
)


def new_run_folder(output_dir: str | Path, name: str, run_dir: str | Path | None = None) -> Path:
    """A folder for a run that did not exist before: ``run_dir``, or ``output_dir/NAME-DATE-TIME`` with a number where that is taken.

    Raises:
        SettingsError: where ``run_dir`` already holds something.
    """
    if run_dir is not None:
        folder = Path(run_dir)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError(f"run_dir {folder} is not empty: choose another, or resume it by resume={folder}")
        return _made(folder, exist_ok=True)
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(10_000):
        folder = Path(output_dir) / (stem if number == 0 else f"{stem}-{number}")
        with suppress(FileExistsError):
            return _made(folder, exist_ok=False)
    raise DataError(f"{output_dir} holds 10,000 runs of this second: choose another output_dir")


def _made(folder: Path, exist_ok: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
        return folder
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error(error, folder, "make") from error


@contextmanager
def training_folder(output_dir: str | Path, name: str, run_dir: str | Path | None) -> Iterator[Path]:
    """The folder of a training, for this process alone, as :func:`new_run_folder` makes it. A ``run_dir`` in which a run was stopped before its
    first checkpoint is emptied and taken again. Where the training fails before its first checkpoint, what it made is removed.

    Raises:
        SettingsError: where ``run_dir`` holds anything else.
        BusyError: where another process trains there.
    """
    there = run_dir is not None and Path(run_dir).exists()
    folder = Path(run_dir) if run_dir is not None and Path(run_dir).is_dir() else new_run_folder(output_dir, name, run_dir)
    try:
        with held(folder):
            if not is_early(folder):
                raise SettingsError(f"run_dir {folder} is not empty: choose another, or resume it by resume={folder}")
            # Other processes of the run may still read its settings, which are written anew.
            empty(folder, keep=(LOCK, SETTINGS))
            try:
                yield folder
            except Exception:
                # Of a disk that is gone there is nothing to remove.
                with suppress(OSError):
                    if is_early(folder):
                        empty(folder)
                raise
    except Exception:
        if not there:
            # What holds anything stays.
            with suppress(OSError):
                folder.rmdir()
        raise


def held(folder: Path) -> AbstractContextManager[None]:
    """``folder`` for this process alone, until the end of the block or of the process; raises as :func:`~contextssl.system.locks.locked`."""
    return locked(folder / LOCK, f"training in {folder}", wait=False)


def is_early(folder: Path) -> bool:
    """Whether there is nothing but what a run leaves that was stopped before its first checkpoint, or nothing at all."""

    def early(path: Path) -> bool:
        if path.is_dir() and not path.is_symlink():
            return path.name in EARLY_FOLDERS and all(_is_early_file(file, EARLY_FOLDERS[path.name]) for file in path.iterdir())
        return _is_early_file(path, EARLY_FILES)

    return all(map(early, folder.iterdir()))


def _is_early_file(path: Path, pattern: str) -> bool:
    named = re.fullmatch(pattern, path.name) or re.fullmatch(TEMPORARY, path.name)
    return named is not None and path.is_file() and not path.is_symlink()


def empty(folder: Path, keep: tuple[str, ...] = (LOCK,)) -> None:
    """Remove all that is in a folder but the files to ``keep``; only for one that :func:`is_early`."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in keep:
            path.unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove the unfinished files of a killed process."""
    for where in (folder, *(folder / name for name in EARLY_FOLDERS)):
        for path in where.iterdir() if where.is_dir() else ():
            if re.fullmatch(TEMPORARY, path.name) and path.is_file():
                with suppress(OSError):
                    path.unlink()
