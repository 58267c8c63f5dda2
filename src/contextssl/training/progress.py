"""Progress of a run in plain lines, for logs and pipes; on a terminal Lightning's bar shows the same."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import TQDMProgressBar

# Seconds between two lines.
PATIENCE = 15.0


class ProgressLines(pl.Callback):
    """A line now and then: epoch, step, loss, R² of active factors, images/s, minutes left."""

    def __init__(self) -> None:
        self.last = 0.0
        self.began = 0.0
        self.first_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.began = self.last = time.monotonic()
        self.first_step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        now = time.monotonic()
        if now - self.last < PATIENCE or not trainer.is_global_zero:
            return
        self.last = now
        shown = trainer.progress_bar_metrics
        values = [f"{name} {shown[key]:,.{digits}f}" for name, key, digits in (("loss", "train/loss", 3), ("R²", "r2", 3)) if key in shown]
        if "images/s" in shown:
            values.append(f"{shown['images/s']:,.0f} images/s")
        total = int(trainer.estimated_stepping_batches)
        done = trainer.global_step - self.first_step
        left = (now - self.began) / max(done, 1) * (total - trainer.global_step) / 60
        line = (
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  step {trainer.global_step:,}/{total:,}  "
            + "  ".join(values)
            + f"  {left:.1f} min left"
        )
        # Whoever read them may be gone (a closed terminal, a pipe): no reason to lose a training.
        with suppress(OSError):
            print(line, flush=True)


class Bar(TQDMProgressBar):
    """Lightning's bar without its version number."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


def on_terminal() -> bool:
    return sys.stdout.isatty()


def progress_callback() -> pl.Callback:
    return Bar(refresh_rate=10) if on_terminal() else ProgressLines()
