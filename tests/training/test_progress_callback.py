"""What a run says of its progress."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from contextssl.training import progress_callback
from contextssl.training.progress_callback import Progress


def trained(first: bool = True) -> None:
    """Six steps, as Lightning calls them."""
    shown = {"train/loss": 3.14159, "r2": 0.25, "images/s": 1234.4}
    trainer: Any = SimpleNamespace(
        global_step=0, current_epoch=0, max_epochs=2, estimated_stepping_batches=6, is_global_zero=first, progress_bar_metrics=shown
    )
    progress, module = Progress(), Any
    progress.on_train_start(trainer, module)  # type: ignore[arg-type]
    for step in range(6):
        trainer.global_step, trainer.current_epoch = step + 1, step // 3
        progress.on_train_batch_end(trainer, module, None, None, step)  # type: ignore[arg-type]
    progress.teardown(trainer, module, "fit")  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked_types")
def test_plain_lines_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trained()
    assert capsys.readouterr().out == "", "the first comes after a while"
    monkeypatch.setattr(progress_callback, "PATIENCE", -1.0)
    trained()
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 6 and out[3] == "epoch 2/2  step 4/6  loss 3.142  R² 0.250  1,234 images/s  0.0 min left"
    trained(first=False)
    assert capsys.readouterr().out == "", "one process of several says it"


@pytest.mark.usefixtures("unchecked_types")
def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_callback, "Console", lambda: Console(force_terminal=True, width=160))
    monkeypatch.setattr("contextssl.system.progress.BAR_SECONDS", -1.0)
    trained()
    shown = capsys.readouterr().out
    assert "epoch 2/2" in shown and "100%" in shown and "loss 3.142  R² 0.250  1,234 images/s" in shown


@pytest.mark.usefixtures("unchecked_types")
def test_a_run_that_never_began_says_nothing() -> None:
    Progress().teardown(None, None, "fit")  # type: ignore[arg-type]
