"""Progress of a run: epoch, step, loss, R² of active factors, images/s, minutes left."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
from rich.console import Console

from contextssl.system.progress import Meter

# Seconds between two lines in logs and pipes.
PATIENCE = 15.0


class Progress(pl.Callback):
    """Of the first process: a bar on a terminal or in a notebook, plain lines elsewhere."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        def line() -> str:
            step = f"step {trainer.global_step:,}/{self.meter.total:,}"
            return "  ".join([self.meter.title, step, *_values(trainer), f"{self.meter.seconds_left / 60:.1f} min left"])

        total, done, show = int(trainer.estimated_stepping_batches), trainer.global_step, trainer.is_global_zero
        self.meter = Meter(_epoch(trainer), total, "steps", done, show, seconds=PATIENCE, line=line, console=Console())
        self.meter.__enter__()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.meter.title = _epoch(trainer)
        self.meter.advance(trainer.global_step - self.meter.done, lambda: "  ".join(_values(trainer)))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Also of a run that failed."""
        if hasattr(self, "meter"):
            self.meter.stop()


def _epoch(trainer: pl.Trainer) -> str:
    return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"


def _values(trainer: pl.Trainer) -> list[str]:
    """Read on the device, which waits for it."""
    shown = trainer.progress_bar_metrics
    values = [f"{name} {shown[key]:,.3f}" for name, key in (("loss", "train/loss"), ("R²", "r2")) if key in shown]
    return [*values, f"{shown['images/s']:,.0f} images/s"] if "images/s" in shown else values
