from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from contextssl.errors import DataError, SettingsError
from contextssl.training.storage import AtomicCheckpoints, MetricsCSV, new_run_folder


def test_run_folders_are_new(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path, "shapes") for _ in range(5)}
    assert len(folders) == 5 and all(folder.is_dir() for folder in folders)
    assert new_run_folder(tmp_path, "x", tmp_path / "mine") == tmp_path / "mine"
    (tmp_path / "mine" / "results.json").touch()
    with pytest.raises(SettingsError, match="mine is not empty"):
        new_run_folder(tmp_path, "x", tmp_path / "mine")


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        new_run_folder(tmp_path / "file", "shapes")


def test_metrics_grow_and_forget_what_a_resumed_run_takes_again(tmp_path: Path) -> None:
    metrics = MetricsCSV(tmp_path)
    metrics.forget_after(3)
    for step in range(5):
        metrics.log_metrics({"loss": step / 2, "epoch": step // 3}, step)
    MetricsCSV(tmp_path).forget_after(3)
    metrics.log_metrics({"loss": float("nan")}, 3)
    with metrics.path.open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [("0", "0", "loss", "0.0"), ("1", "0", "loss", "0.5"), ("2", "0", "loss", "1.0"), ("3", "", "loss", "nan")]


def test_a_checkpoint_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, writer = tmp_path / "last.ckpt", AtomicCheckpoints()
    writer.save_checkpoint({"step": 1, "weights": torch.ones(3)}, path)

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(DataError, match=r"last.ckpt"):
        writer.save_checkpoint({"step": 2}, path)
    assert writer.load_checkpoint(path)["step"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
