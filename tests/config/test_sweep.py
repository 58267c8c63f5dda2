"""``-m``: what is wrong is one line before anything is started, text keeps its letters, and the program around a sweep keeps its state."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase

from contextssl.cli import main
from contextssl.config.settings import TrainSettings
from contextssl.config.sweep import sweep
from contextssl.errors import SettingsError, TrainingError


def swept(*words: str, folder: str | None = None) -> list[TrainSettings]:
    """The settings of each job."""
    made: list[TrainSettings] = []

    def run(settings: TrainSettings) -> int:
        made.append(settings)
        return 0

    assert sweep("train", TrainSettings, run, ["-m", *words], folder) == 0
    return made


def test_each_value_is_taken_as_a_single_one_is(in_folder: Path) -> None:
    texts = ["café.csv", "p (1).csv", "lr=0.1.csv", "C:\\data\\", "${y}", "2024_11_25", "Income (k$)", "'a,b.csv'", "it's", "[x"]
    assert [settings.path for settings in swept(f"path={','.join(texts)}")] == [text.strip("'") if "," in text else text for text in texts]
    made = swept("env_ratio={rotation:0.5,none:0.5},[0.5,0.5,0]", "factors=[a b,c],[d]", "drop_columns=[x]")
    assert [(settings.env_ratio, settings.factors) for settings in made] == [
        ({"rotation": 0.5, "none": 0.5}, ["a b", "c"]),
        ({"rotation": 0.5, "none": 0.5}, ["d"]),
        ([0.5, 0.5, 0.0], ["a b", "c"]),
        ([0.5, 0.5, 0.0], ["d"]),
    ]
    assert [settings.seed for settings in swept("seed=range(0,3)")] == [0, 1, 2]
    assert [settings.method for settings in swept("method=choice(simclr,byol)")] == ["simclr", "byol"]
    assert [settings.epochs for settings in swept("experiment=adult,shapes_minutes")] == [8, 26]
    # The published words mean in a sweep what they mean alone.
    assert [settings.width for settings in swept("n_embd=8,16")] == [8, 16]


def test_of_a_comparison_only_its_jobs_are_swept_over(in_folder: Path) -> None:
    def run(settings: TrainSettings) -> int:
        made.append((settings.output_dir, settings.seed))
        return 0

    made: list[tuple[str, int]] = []
    assert sweep("train", TrainSettings, run, ["output_dir=a,b", "seed=3"], "runs/x y") == 0
    assert made == [("a,b", 3)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0,-1"], "seed is -1: it must be 0 or more"),
        (["seed=0,foo"], "seed is 'foo': it takes a whole number"),
        (["method=simclr,simlcr"], "unknown method 'simlcr'"),
        (["sead=0,1"], "unknown setting 'sead'"),
        (["seed=0,1", "run_dir=runs/one"], "run_dir=runs/one: 2 runs cannot share it; leave it out"),
        (["seed=0,1", "run_dir=runs/a,runs/b"], "4 runs cannot share it"),
        (["seed=range(0,"], "seed is 'range"),
        (["seed=interval(0,1)"], "sweep type"),
        (["seed=0,1", "hydra/launcher=nowhere"], "nowhere"),
        (["seed=0,1", "output_dir=file/runs"], "cannot write into file/runs"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(
    in_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: Sequence[str], message: str
) -> None:
    (in_folder / "file").write_text("not a folder")
    monkeypatch.setattr("contextssl.commands.train_command.train", lambda settings: pytest.fail("nothing is to be trained"))
    assert main(["train", "-m", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("contextssl: error: ") and message in lines[0]


def test_runs_in_folders_of_their_own_may_be_named(in_folder: Path) -> None:
    assert [settings.run_dir for settings in swept("run_dir=runs/a,runs/b")] == ["runs/a", "runs/b"]


def test_a_runs_own_error_is_one_line(in_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []

    def train(settings: TrainSettings) -> Path:
        trained.append(settings.seed)
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr("contextssl.commands.train_command.train", train)
    assert main(["train", "-m", "seed=0,1"]) == 2
    assert capsys.readouterr().err == "contextssl: error: seed=0: the loss is not finite\n"
    assert trained == [0, 1], "one that fails does not stop the others"


def test_what_no_run_reads_is_said_once(in_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contextssl.commands.train_command.run_train", lambda settings: 0)
    assert main(["train", "-m", "method=simclr,contextssl", "mask_prob=0.5", "corruption=0.9"]) == 0
    assert capsys.readouterr().err == "contextssl: warning: not used with dataset=3diebench: corruption\n"
    assert main(["train", "-m", "method=simclr,byol", "mask_prob=0.5"]) == 0
    assert "not used with method=simclr: mask_prob" in capsys.readouterr().err


def test_the_program_around_keeps_its_state(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contextssl.commands.train_command.run_train", lambda settings: 0)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    (in_folder / "mine").mkdir()
    shown, errors = warnings.showwarning, (sys.stdout.errors, sys.stderr.errors)
    argv = list(sys.argv)
    with initialize(version_base="1.2", config_path=None):
        around, its_version = GlobalHydra.instance().hydra, VersionBase.instance().getbase()
        for words in (
            ["train", "seed=1"],
            ["train", "-m", "seed=0,1"],
            ["train", "seed=-1"],
            ["train", "-m", "seed=-1"],
            ["train", "--help"],
        ):
            main(words)
            assert GlobalHydra.instance().hydra is around
            assert HydraConfig.instance().cfg is None
            assert sys.argv == argv and "HYDRA_FULL_ERROR" not in os.environ
            assert warnings.showwarning is shown and (sys.stdout.errors, sys.stderr.errors) == errors
        assert compose(overrides=["+a=1"]).a == 1
        assert VersionBase.instance().getbase() == its_version


def test_only_trainings_are_swept_over(in_folder: Path) -> None:
    with pytest.raises(SettingsError, match="report cannot be swept over"):
        sweep("report", TrainSettings, lambda settings: 0, ["-m"])
