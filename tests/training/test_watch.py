"""Runs that are made sick on purpose, and what is said of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contextssl.commands.train_command import run_train
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.records.results import read_results
from contextssl.report.collect import read_training
from contextssl.training.run import train
from tests.training.runs import tiny_settings, toy_data


class Constant(nn.Module):
    """The same features whatever it is shown."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(12))

    def forward(self, images: Tensor) -> Tensor:
        return self.w.expand(len(images), 12)


def linear() -> nn.Module:
    with DrawingFrom(seeded_generator(0, "encoder")):
        made = nn.Sequential(nn.Flatten(), nn.Linear(192, 12))
    made.num_features = 12  # type: ignore[assignment]
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return toy_data(tmp_path_factory.mktemp("store") / "store")


def settings_of(folder: Path, **given: Any) -> Any:
    sizes = {"n_layer": 1, "epochs": 67, "log_interval": 20, "log_every_steps": 5, "val_pairs": 64, "eval_ctxt": [6]}
    return tiny_settings(run_dir=str(folder), **{**sizes, **given})


@pytest.fixture(scope="module")
def unread(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is too short to read its contexts."""
    said = r"not read yet: .* train longer .contextssl train from=RUN epochs=\+N., or set pairs_per_item=8"
    with pytest.warns(UserWarning, match=said):
        return train(settings_of(tmp_path_factory.mktemp("unread") / "run", save_interval=60), data=data, encoder=linear())


def test_a_run_that_reads_no_context_says_so_once(unread: Path) -> None:
    ((alarm),) = read_results(unread)[0]["alarms"]
    assert (alarm["kind"], alarm["until"]) == ("contexts not read", None) and alarm["since"] == 119, "half of 201 steps are over"


LOW = {"temperature": 1e-5, "clamp_similarities": False}
FAST = {"learning_rate": 100.0, "warmup_epochs": 0}


@pytest.mark.long
@pytest.mark.parametrize(
    ("encoder", "given", "kinds", "said"),
    [
        (
            Constant,
            {"feature_norm": "none"},
            {"collapse", "few directions in validation"},
            "lower learning_rate .0.01. .*feature_norm=batch",
        ),
        (linear, LOW, {"worse than chance"}, r"where guessing has 2.71: .* raise temperature \(1e-05"),
        (linear, FAST, {"few directions in validation"}, r"of 16 directions .* lower learning_rate \(100\)"),
    ],
    ids=["constant encoder", "tiny temperature", "huge learning rate"],
)
def test_a_sick_run_says_so(data: Data, tmp_path: Path, encoder: Any, given: dict[str, Any], kinds: set[str], said: str) -> None:
    with pytest.warns(UserWarning, match=r"alarm at step \d+: ") as warned:
        folder = train(settings_of(tmp_path / "run", **given), data=data, encoder=encoder())
    assert any(re.search(said, str(each.message)) for each in warned)
    run, rows = read_results(folder)
    found = {alarm["kind"] for alarm in run["alarms"] if alarm["until"] is None}
    assert kinds <= found and len(run["alarms"]) == len({alarm["kind"] for alarm in run["alarms"]}), run["alarms"]
    curves = read_training(folder / "metrics.csv")
    logged = {"train/effective_rank", "train/gradient_norm", "val/effective_rank/feature", "val/context_reading/rotation-2"}
    assert logged <= curves.keys()
    assert {"effective_rank", "context_reading"} <= {row.metric for row in rows}


def test_numbers_of_a_step_are_those_of_its_tensors(data: Data, tmp_path: Path) -> None:
    """The norm is of the step before, whose gradient was there; that of the first step is not."""
    curves = read_training(train(settings_of(tmp_path / "run", epochs=1, log_every_steps=1), data=data, encoder=linear()) / "metrics.csv")
    assert [step for step, _ in curves["train/effective_rank"]] == [0, 1, 2]
    assert [step for step, _ in curves["train/gradient_norm"]] == [1, 2] and all(value > 0 for _, value in curves["train/gradient_norm"])
    assert all(1 <= value <= 16 for _, value in curves["train/effective_rank"])


def test_a_resumed_run_logs_and_says_the_same(data: Data, unread: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    (part / "checkpoints").mkdir(parents=True)
    for name in ("metrics.csv", "settings.json"):
        (part / name).write_bytes((unread / name).read_bytes())
    (part / "checkpoints" / "last.ckpt").write_bytes((unread / "checkpoints" / "epoch=0059.ckpt").read_bytes())
    train(TrainSettings(resume=str(part), progress=False), data=data, encoder=linear())
    assert read_results(part)[0]["alarms"] == read_results(unread)[0]["alarms"] != []
    first, second = (read_training(folder / "metrics.csv") for folder in (unread, part))
    for name in ("train/gradient_norm", "train/effective_rank"):
        assert [step for step, _ in first[name]] == [step for step, _ in second[name]]
        assert [value for _, value in first[name]] == pytest.approx([value for _, value in second[name]], rel=1e-3)


def test_the_command_says_at_its_end_what_was_in_alarm(
    unread: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("contextssl.commands.train_command.train", lambda settings: unread)
    assert run_train(tiny_settings()) == 0
    assert "warning: in alarm from step" in capsys.readouterr().err
