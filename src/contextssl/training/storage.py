"""What a run writes: its folder, its checkpoints (whole or not at all), its metrics."""

from __future__ import annotations

import csv
import errno
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from contextssl.checkpoints import read
from contextssl.errors import DataError, SettingsError
from contextssl.files import atomic_path, storage_error

METRICS = "metrics.csv"
COLUMNS = ("step", "epoch", "name", "value")


def new_run_folder(output_dir: str | Path, name: str, run_dir: str | Path | None = None) -> Path:
    """A folder for a run that did not exist before: ``run_dir``, or ``output_dir/NAME-DATE-TIME`` with a number where that is taken.

    Raises:
        SettingsError: where ``run_dir`` already holds something.
    """
    if run_dir is not None:
        folder = Path(run_dir)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError(f"run_dir {folder} is not empty: choose another, or go on with it by resume={folder}")
        _make(folder, exist_ok=True)
        return folder
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in range(10_000):
        folder = Path(output_dir) / (stem if number == 0 else f"{stem}-{number}")
        if not folder.exists():
            try:
                _make(folder, exist_ok=False)
            except FileExistsError:
                continue
            return folder
    raise DataError(f"{output_dir} holds 10,000 runs of this second: choose another output_dir")


def _make(folder: Path, exist_ok: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error(error, folder, "make") from error


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints written beside their place and renamed, so that a full disk or a kill leaves the earlier one whole; read as plain values."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        with atomic_path(Path(path)) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:
                # PyTorch's writer reports a failed write as a RuntimeError of its own.
                if "write" in str(error).lower() or "PytorchStreamWriter" in str(error):
                    raise OSError(errno.ENOSPC, "the file could not be written whole", str(path)) from error
                raise

    def load_checkpoint(self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read(path)


class NamedCheckpoint(ModelCheckpoint):
    """Lightning's, known in a checkpoint by its file's name too: two that are saved as often as each other are still two."""

    @property
    def state_key(self) -> str:
        return f"{super().state_key}/{self.filename}"


class MetricsCSV(Logger):
    """``metrics.csv`` with a row a number: step, epoch, name, value. It only grows; a resumed run takes back what came after its checkpoint."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / METRICS

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Settings are in results.json and in every checkpoint."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        metrics = dict(metrics)
        epoch = metrics.pop("epoch", "")
        fresh = not self.path.exists()
        try:
            with self.path.open("a", newline="") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(COLUMNS)
                writer.writerows((step, epoch if epoch == "" else int(epoch), name, repr(float(value))) for name, value in metrics.items())
        except OSError as error:
            raise storage_error(error, self.path, "append to") from error

    def forget_after(self, step: int) -> None:
        """Drop the rows of steps from ``step`` on, which a resumed run will take again."""
        if not self.path.exists():
            return
        with self.path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["step"] and int(row["step"]) < step]
        with atomic_path(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
