"""Whole runs: what they write, that they repeat, that they resume, and how they stop."""

from __future__ import annotations

import csv
import json
import logging
import math
import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

import contextssl
from contextssl import checkpoints
from contextssl.data.dataset import Data
from contextssl.errors import CheckpointError, DataError, SettingsError, TrainingError
from contextssl.records.results import read_results
from contextssl.training import run as run_module
from contextssl.training.run import fresh_model, train
from tests.training.runs import tiny_settings, toy_data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return toy_data(tmp_path_factory.mktemp("toy") / "store")


@pytest.fixture(scope="module")
def undisturbed(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of three steps."""
    return train(tiny_settings(output_dir=str(tmp_path_factory.mktemp("runs")), bottleneck=0.1), data=data)


def weights(run: Path) -> dict[str, Tensor]:
    return checkpoints.read(run / "checkpoints" / "last.ckpt")["state_dict"]


def assert_same_weights(a: Path, b: Path) -> None:
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    differ = [key for key in first if not torch.equal(first[key], second[key])]
    assert differ == []


def logged(run: Path) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    with (run / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            values.setdefault(row["name"], []).append(float(row["value"]))
    return values


def test_a_run_writes_everything_that_made_it(undisturbed: Path) -> None:
    assert sorted(path.name for path in undisturbed.iterdir()) == [
        "checkpoints",
        "metrics.csv",
        "results.json",
        "settings.json",
        "tensorboard",
    ]
    assert sorted(path.name for path in (undisturbed / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert json.loads((undisturbed / "settings.json").read_text())["settings"]["batch_size"] == 8
    run, rows = read_results(undisturbed)
    assert run["steps"] == 12 and run["seed"] == 0 and run["version"] == contextssl.__version__ and run["data"] == {"kind": "toy"}
    contexts = {(row.environment, row.length) for row in rows if row.metric == "r2_pooled"}
    assert contexts == {(environment, length) for environment in ("rotation", "color") for length in (0, 2, 6)}
    assert all(row.count == 16 and row.split == "val" and row.floor is not None for row in rows if row.metric == "r2_pooled")
    assert all(math.isfinite(row.mean) for row in rows)


def test_meters_are_logged(undisturbed: Path) -> None:
    values = logged(undisturbed)
    for name in ("train/loss", "train/contrastive_loss", "train/auxiliary_loss", "train/images_per_second", "learning_rate", "memory_mib"):
        assert len(values[name]) == 12, name
    assert len(values["r2"]) == 2, "every log_interval epochs"
    total = [c + 5.0 * a for c, a in zip(values["train/contrastive_loss"], values["train/auxiliary_loss"], strict=True)]
    assert values["train/loss"] == pytest.approx(total, rel=1e-5)
    assert values["learning_rate"][:4] == pytest.approx([0, 1e-2 * 8 / 256 / 3, 2e-2 * 8 / 256 / 3, 1e-2 * 8 / 256])


@pytest.mark.parametrize("without", [{"env_ratio": {"none": 1}}, {"weight_equiv_loss": 0.0}])
def test_where_no_r2_is_learned_the_best_is_chosen_by_the_class(without: dict[str, Any], data: Data, tmp_path: Path) -> None:
    values = logged(train(tiny_settings(output_dir=str(tmp_path), **without), data=data))
    assert "r2" not in values and len(values["accuracy"]) == 2 and all(map(math.isfinite, values["accuracy"]))


def test_one_seed_gives_one_run(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    torch.rand(7)  # the global stream is not part of it
    again = train(tiny_settings(output_dir=str(tmp_path), bottleneck=0.1), data=data)
    assert_same_weights(undisturbed, again)
    other = train(tiny_settings(output_dir=str(tmp_path), bottleneck=0.1, seed=1), data=data)
    assert any(not torch.equal(value, weights(other)[key]) for key, value in weights(undisturbed).items())


def test_two_trainings_at_once_are_each_as_alone(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    """In two threads, next to one that draws from torch's global stream all the time."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.001):
            torch.manual_seed(3)
            torch.rand(10)

    def one(seed: int) -> Path:
        return train(tiny_settings(run_dir=str(tmp_path / f"seed{seed}"), bottleneck=0.1, seed=seed), data=data)

    with ThreadPoolExecutor(3) as pool:
        pool.submit(disturb)
        try:
            first, _ = pool.map(one, (0, 1))
        finally:
            stop.set()
    assert_same_weights(undisturbed, first)


def test_a_training_leaves_the_loggers_as_they_were(data: Data, tmp_path: Path) -> None:
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    level, filters = logger.level, list(logger.filters)
    train(tiny_settings(output_dir=str(tmp_path), epochs=1), data=data)
    assert (logger.level, logger.filters, level) == (level, filters, logging.NOTSET)


class StopAt(pl.Callback):
    """Dies like a killed process: in the middle of a step, with nothing tidied up."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            raise Killed


class Killed(BaseException):
    pass


class SaveAt(pl.Callback):
    """Saves the last checkpoint within an epoch, as the timer of save_minutes does."""

    def __init__(self, folder: Path, step: int) -> None:
        self.path, self.step = folder / "checkpoints" / "last.ckpt", step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def killed_run(data: Data, folder: Path, monkeypatch: pytest.MonkeyPatch, *callbacks: pl.Callback, **settings: Any) -> Path:
    def with_callbacks(make: Callable[..., Any]) -> Callable[..., Any]:
        def trainer(*args: Any) -> Any:
            made, metrics = make(*args)
            made.callbacks.extend(callbacks)
            return made, metrics

        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "_trainer", with_callbacks(run_module._trainer))
        with pytest.raises(Killed):
            train(tiny_settings(run_dir=str(folder), bottleneck=0.1, **settings), data=data)
    return folder


@pytest.mark.parametrize(("killed_at", "saved_at"), [(7, None), (3, None), (8, 7), (5, 5), (11, 10)])
def test_a_killed_run_resumes_to_the_same_weights(
    data: Data, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int, saved_at: int | None
) -> None:
    """At the end of an epoch or in the middle of one; also with batches drawn ahead."""
    folder = tmp_path / "run"
    savers = [SaveAt(folder, saved_at)] if saved_at else []
    killed_run(data, folder, monkeypatch, *savers, StopAt(killed_at))
    assert not (folder / "results.json").exists()
    assert train(tiny_settings(resume=str(folder), workers=0), data=data) == folder
    assert_same_weights(undisturbed, folder)
    assert read_results(folder)[1] == read_results(undisturbed)[1]
    assert logged(folder)["train/contrastive_loss"] == logged(undisturbed)["train/contrastive_loss"]


@pytest.mark.slow
def test_batches_drawn_ahead_are_the_same(data: Data, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    killed_run(data, folder, monkeypatch, SaveAt(folder, 7), StopAt(8), workers=2)
    train(tiny_settings(resume=str(folder), workers=2), data=data)
    assert_same_weights(undisturbed, folder)


def test_a_resumed_run_keeps_its_settings(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="temperature=0.5 differs from the run that is resumed"):
        train(replace(tiny_settings(resume=str(undisturbed)), temperature=0.5), data=data)
    weights_only = tmp_path / "weights.pt"
    torch.save(weights(undisturbed), weights_only)
    with pytest.raises(CheckpointError, match="no checkpoint of a run here"):
        train(tiny_settings(resume=str(weights_only)), data=data)


def test_runs_do_not_overwrite_each_other(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    settings = tiny_settings(output_dir=str(tmp_path), epochs=1)
    assert train(settings, data=data) != train(settings, data=data)
    with pytest.raises(SettingsError, match="is not empty: choose another, or resume it by resume="):
        train(tiny_settings(run_dir=str(undisturbed)), data=data)


def test_a_checkpoint_of_every_epoch_is_kept(data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(output_dir=str(tmp_path), save_interval=1, log_interval=1), data=data)
    kept = {path.stem for path in (run / "checkpoints").glob("*.ckpt")}
    assert kept == {"last", "best", *(f"epoch={epoch:04d}" for epoch in range(4))}


def test_a_loss_that_is_not_finite_stops_the_run(data: Data, tmp_path: Path) -> None:
    """The weights in the record are those from before it."""
    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"not finite at step \d+ \(epoch \d+, batch \d+\).*lower learning_rate"):
        train(tiny_settings(run_dir=str(folder), learning_rate=1e30, warmup_epochs=0, optimizer="adamw", epochs=20), data=data)
    record = json.loads((folder / "before-non-finite.json").read_text())
    assert record["global_step"] >= 1
    assert len(record["items"]) == len(record["source_views"]) == 8
    saved = checkpoints.read(folder / "checkpoints" / "before-non-finite.ckpt")
    assert saved["global_step"] == record["global_step"]
    assert all(value.isfinite().all() for value in saved["state_dict"].values())


def test_a_full_disk_keeps_the_earlier_checkpoint(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    save = torch.save
    calls = 0

    def full_after_two(content: Any, path: Path, *args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            Path(path).write_bytes(b"the first half of a checkp")
            raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos; PytorchStreamWriter failed writing file data/0")
        save(content, path, *args, **kwargs)

    monkeypatch.setattr(torch, "save", full_after_two)
    with pytest.raises(DataError, match=r"last.ckpt|best.ckpt"):
        train(tiny_settings(run_dir=str(folder), log_interval=1), data=data)
    monkeypatch.undo()
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert checkpoints.read(folder / "checkpoints" / "last.ckpt")["global_step"] == 3
    train(tiny_settings(resume=str(folder), log_interval=1), data=data)
    assert (folder / "results.json").exists()


def test_loading_gives_the_trained_model(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    model = contextssl.load(undisturbed)
    for key, value in weights(undisturbed).items():
        assert torch.equal(model.state_dict()[key.removeprefix("model.")], value)
    batch = data.val.draw(torch.arange(3), torch.Generator().manual_seed(0))
    context = model.context(batch.source, batch.action, batch.target, environment="color")
    assert model.embed(batch.source, context).shape == (3, 16)
    assert model.embed(batch.source, context, bottleneck=0.3, generator=torch.Generator()).isfinite().all()
    moved = shutil.copy(undisturbed / "checkpoints" / "best.ckpt", tmp_path / "elsewhere.ckpt")
    assert contextssl.load(moved).factors == model.factors


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"temperature": 0.0}, "temperature is 0: it must be above 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"eval_ctxt": [0, 3]}, "eval_ctxt holds 3"),
        ({"block_size": 2}, "block_size is 2"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
    ],
)
def test_settings_that_cannot_be(data: Data, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        train(tiny_settings(output_dir=str(tmp_path), **given), data=data)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_every_precision_trains_and_clips(data: Data, tmp_path: Path, precision: str, optimizer: str) -> None:
    moved = {}
    for clip in (0.0, 1.0, 1e-13):
        settings = tiny_settings(
            output_dir=str(tmp_path), epochs=1, precision=precision, optimizer=optimizer, weight_decay=0.0, gradient_clip=clip
        )
        run = train(settings, data=data)
        assert all(math.isfinite(row.mean) for row in read_results(run)[1])
        before = dict(fresh_model(settings, data, None).named_parameters())
        with torch.no_grad():
            moved[clip] = max(float((after - before[name]).abs().max()) for name, after in contextssl.load(run).named_parameters())
    # Adam divides by the gradient's size plus 1e-8: only gradients clipped far below that leave the weights where they were.
    assert moved[0.0] > 1e-4 and moved[1.0] > 1e-4 and moved[1e-13] < 1e-7


def test_a_run_stops_when_its_time_is_up(data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(output_dir=str(tmp_path), epochs=100_000, log_interval=1000, max_minutes=1 / 60), data=data)
    described, rows = read_results(run)
    assert 0 < described["steps"] < 300_000 and rows, "stopped early, and looked at all the same"
    assert (run / "checkpoints" / "last.ckpt").exists()


def test_wandb_is_an_extra(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SettingsError, match="wandb is not installed: pip install 'contextssl\\[wandb\\]'"):
        train(tiny_settings(output_dir=str(tmp_path), wandb="project"), data=data)


@pytest.mark.slow
def test_a_compiled_run_trains(data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(output_dir=str(tmp_path), epochs=2, compile=True), data=data)
    plain = train(tiny_settings(output_dir=str(tmp_path), epochs=2), data=data)
    assert contextssl.load(run).state_dict().keys() == contextssl.load(plain).state_dict().keys()
    for a, b in zip(read_results(run)[1], read_results(plain)[1], strict=True):
        assert a.mean == pytest.approx(b.mean, abs=0.05), a
