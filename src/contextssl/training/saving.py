"""When a run's checkpoints are written, and where it stops: at the end of a step, with all that is needed to resume."""

from __future__ import annotations

import errno
import math
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from contextssl.checkpoints import read
from contextssl.checkpoints.file import check_archive, is_whole
from contextssl.config.settings import RunSettings
from contextssl.errors import CheckpointError
from contextssl.records.run_folder import CHECKPOINTS, DAMAGED, LAST, PREVIOUS
from contextssl.system import interruptions
from contextssl.system.files import atomic_path
from contextssl.system.interruptions import Interruptions
from contextssl.system.torch_files import torch_writing
from contextssl.training.metrics_files import EventFile, MetricsCSV


class Stop(Exception):
    """A run that is to stop, and has saved its last checkpoint."""


class ProvenCheckpoints(TorchCheckpointIO):
    """Checkpoints written under a temporary name, read back from the disk, and only then renamed, so that a full or lying disk and a kill leave the
    earlier one whole; loaded as plain values.

    Args:
        keep_previous: whether what ``last`` was is kept, as ``last.previous``.
    """

    def __init__(self, keep_previous: bool = True) -> None:
        super().__init__()
        self.keep_previous = keep_previous
        # Files that this process has read whole, or written.
        self._proven: set[Path] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        with interruptions.writing(), atomic_path(Path(path), bytes_of(checkpoint)) as temporary:
            with torch_writing(path):
                torch.save(checkpoint, temporary)
            prove(temporary)
            if Path(path).name == Path(LAST).name:
                self._put_aside(Path(path))
        self._proven.add(Path(path).resolve())

    def load_checkpoint(self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None) -> dict[str, Any]:
        content = read(path)
        self._proven.add(Path(path).resolve())
        return content

    def _put_aside(self, last: Path) -> None:
        """What ``last`` is, before it is replaced. One that was not read by this process, since the run goes on from another, may be damaged."""
        if not last.is_file():
            return
        if last.resolve() not in self._proven and not is_whole(last):
            last.replace(last.with_name(Path(DAMAGED).name))
        elif self.keep_previous:
            with atomic_path(last.with_name(Path(PREVIOUS).name)) as temporary:
                temporary.unlink(missing_ok=True)
                try:
                    os.link(last, temporary)
                except OSError:
                    # Some disks know no second name of a file.
                    shutil.copyfile(last, temporary)


def prove(path: Path) -> None:
    """Reads a checkpoint that was just written back from the disk, not from memory where the system can tell. Raises OSError where its checksums are
    wrong.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        check_archive(path)
    except CheckpointError as error:
        raise OSError(
            errno.EIO, "what was read back is not what was written: the disk, its cable or the memory is faulty", str(path)
        ) from error


def bytes_of(content: Any) -> int:
    """What the tensors of a checkpoint take, each once; the rest of it is small."""
    sizes: dict[int, int] = {}

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, Mapping | list | tuple):
            for each in value.values() if isinstance(value, Mapping) else value:
                add(each)

    add(content)
    return sum(sizes.values())


class RunCheckpoints(Checkpoint):
    """``best`` where the validation score ``watched`` exceeds all before, ``epoch=NNNN`` where asked for, and then ``last``, which records the others
    for a resumed run.
    """

    def __init__(
        self, folder: Path, watched: str, steps_per_epoch: int, settings: RunSettings, metrics: MetricsCSV, events: EventFile
    ) -> None:
        self.folder = folder / CHECKPOINTS
        self.watched, self.steps_per_epoch, self.keep_every = watched, steps_per_epoch, settings.save_interval
        self.save_seconds, self.max_seconds = 60 * settings.save_minutes, 60 * settings.max_minutes
        self.metrics, self.events = metrics, events
        self.interruptions: Interruptions | None = None
        self.best: float | None = None
        # Seconds of training before the run was resumed.
        self.seconds_before = 0.0
        self.began = self.saved = time.monotonic()
        self.time_is_up = False

    @property
    def state_key(self) -> str:
        return "contextssl"

    @property
    def seconds(self) -> float:
        """Of training, over all the processes that it took."""
        return self.seconds_before + time.monotonic() - self.began

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "seconds": self.seconds, "metrics": self.metrics.checksum}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.seconds_before = state_dict["best"], float(state_dict["seconds"])

    def resume_from(self, content: Mapping[str, Any]) -> None:
        """Take back what was logged after a checkpoint with this content."""
        state = content.get("callbacks", {}).get(self.state_key, {})
        self.events.begin_with(self.metrics.drop_after(int(content["global_step"]), state.get("metrics")))

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        # Checkpoints of version 0.1 have the state of Lightning's own callback.
        for state in checkpoint.get("callbacks", {}).values():
            if isinstance(state, dict) and state.get("monitor") == self.watched and state.get("best_model_score") is not None:
                self.best = float(state["best_model_score"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.began = self.saved = time.monotonic()
        if self.interruptions is not None:
            # Lightning's own handlers write files and talk to other processes in the middle of a step.
            self.interruptions.take_again()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step % self.steps_per_epoch == 0:
            # The epoch's end comes next, with its validation and checkpoints.
            return
        due = self.save_seconds > 0 and time.monotonic() - self.saved >= self.save_seconds
        stops, due = self._stops(trainer, due)
        if stops or due:
            self._save(trainer, "last")
        if stops:
            raise Stop

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch, score = getattr(pl_module, "validated", None) or (None, None)
        if epoch == trainer.current_epoch and score is not None:
            score = -math.inf if math.isnan(score) else score
            if _any(trainer, self.best is None or score > self.best)[0]:
                self.best = score
                self._save(trainer, "best")
        if self.keep_every > 0 and (trainer.current_epoch + 1) % self.keep_every == 0:
            self._save(trainer, f"epoch={trainer.current_epoch:04d}")
        self._save(trainer, "last")
        if self._stops(trainer)[0] and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            raise Stop

    def _save(self, trainer: pl.Trainer, name: str) -> None:
        trainer.save_checkpoint(self.folder / f"{name}.ckpt", weights_only=False)
        self.saved = time.monotonic()

    def _stops(self, trainer: pl.Trainer, due: bool = False) -> tuple[bool, bool]:
        """Whether the time is up or a signal asks to stop, and whether a checkpoint is due: true in all processes where it is true in any."""
        asked = self.interruptions is not None and self.interruptions.asked is not None
        up = self.max_seconds > 0 and time.monotonic() - self.began >= self.max_seconds
        asked, up, due = _any(trainer, asked, up, due)
        self.time_is_up = up and not asked
        return asked or up, due


def _any(trainer: pl.Trainer, *here: bool) -> list[bool]:
    """Whether each is true in any process."""
    if trainer.world_size == 1:
        return list(here)
    flags = torch.tensor(here, dtype=torch.int32, device=trainer.strategy.root_device)
    return [bool(flag) for flag in trainer.strategy.reduce(flags, reduce_op="max").tolist()]
