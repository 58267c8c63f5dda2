"""Data sets of a user's own, by their place and as an installed package, through every command."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from contextssl import checkpoints
from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data_set import DATA_SETS
from contextssl.errors import CheckpointError, SettingsError
from contextssl.records.results import read_results
from contextssl.report.collect import read_run
from contextssl.training.run import train
from tests.edited import edit_json
from tests.test_cli import error_of

# What a user writes: a function, one that reads settings, and a data set that declares a setting of its own.
MINE = """
import dataclasses

import numpy as np

from contextssl import Data, DataSet, Factor, FactorSpace, ViewPairs, Views
from contextssl.config.own_settings import own_of
from contextssl.config.setting import setting

FACTORS = FactorSpace((Factor("level", 1), Factor("side", 1)))


def views(items, seed):
    random = np.random.default_rng(seed)
    latents = random.random((items, 4, 2), dtype=np.float32)
    images = np.zeros((items, 4, 8, 8, 3), np.uint8)
    images[..., :4, :] = (255 * latents[..., :1])[..., None, None].astype(np.uint8)
    images[..., 4:, 1:] = (255 * latents[..., 1:])[..., None, None].astype(np.uint8)
    labels = np.arange(items) % 2
    images[..., 0, 0, 0] = 50 * labels[:, None]
    return Views(images, latents, labels, FACTORS, ("a", "b"), [f"item {i}" for i in range(items)])


def data(items=24):
    return Data(ViewPairs(views(items, 0)), ViewPairs(views(30, 1)), (3, 8, 8), (0.3,) * 3, (0.3,) * 3)


def sized(settings):
    return data(settings.objects)


@dataclasses.dataclass
class Own:
    "Levels"

    amount: int = setting(24, "training items", least=2)


MINE = DataSet("mine", lambda settings, progress: data(own_of(settings, Own).amount), settings=Own, views="images", reads=())


WRONG = DataSet("wrong", lambda settings, progress: 3)


def nothing():
    return 3


def broken():
    raise RuntimeError("no disk")


def faulty():
    good = data()
    bad = good.val.views.latents.copy()
    bad[0, 0, 1] = np.nan
    blue = good.train.views.images.copy()
    blue[..., 2] = 7
    return dataclasses.replace(
        good,
        train=ViewPairs(dataclasses.replace(good.train.views, images=blue)),
        val=ViewPairs(dataclasses.replace(good.val.views, latents=bad)),
        view_shape=(3, 16, 16),
    )


number = 3
"""
TINY = [
    *(
        "backbone=resnet_compact",
        "epochs=1",
        "batch_size=8",
        "block_size=8",
        "width=16",
        "n_layer=1",
        "projection_dim=8",
        "auxiliary_width=8",
    ),
    *("log_interval=1", "val_pairs=8", "warmup_epochs=0", "accelerator=cpu", "progress=false"),
]
QUICK = ["contexts=1", "neighbours=2", "eval_ctxt=[0,4]", "accelerator=cpu", "progress=false", "sensitivity_items=0"]


@pytest.fixture
def mine(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working directory, which is new."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(in_folder))])
    (in_folder / "my_levels.py").write_text(MINE)
    return "my_levels"


def test_a_data_set_with_a_setting_of_its_own_goes_through_every_command(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    named = f"dataset={mine}:MINE"
    assert main(["train", named, "amount=12", *TINY, "run_dir=run"]) == 0
    about, _ = read_results(Path("run"))
    assert about["data"]["kind"] == "own" and about["settings"]["dataset"] == f"{mine}:MINE" and about["settings"]["own"] == {"amount": 12}
    # The setting is the run's; the code is named again.
    assert main(["evaluate", "geometry", "run", named, *QUICK]) == 0
    made = read_results(Path("run"))[0]["evaluations"]["geometry"]
    assert made["train_items"] == 12 and made["data"]["kind"] == "own" and made["settings"]["dataset"] == f"{mine}:MINE"
    assert main(["evaluate", "geometry", "run", named, "amount=10", "run_dir=other", *QUICK]) == 0
    assert read_results(Path("other"))[0]["evaluations"]["geometry"]["train_items"] == 10
    capsys.readouterr()
    assert main(["report", "run", "figures=false", named]) == 0
    assert Path("run/gallery.json").is_file() and "data of your own" in Path("run/report.html").read_text()
    # Of a run that is whole but for its results nothing is left to do but these.
    Path("run/results.json").unlink()
    assert main(["train", "resume=run", named, "progress=false"]) == 0
    assert read_results(Path("run"))[0]["settings"]["own"] == {"amount": 12}
    assert "amount is 1: it must be at least 2" in error_of(capsys, "train", named, "amount=1", *TINY)


def test_what_a_user_may_name(mine: str) -> None:
    assert open_data(TrainSettings(dataset=f"{mine}:data")).train.num_items == 24
    assert open_data(TrainSettings(dataset=f"{mine}:sized", objects=6)).train.num_items == 6
    assert open_data(TrainSettings(dataset=f"{mine}:MINE", own={"amount": 4})).train.num_items == 4
    for name, message in (
        ("nothing", "returned a int: it must return a contextssl.Data"),
        ("broken", "failed: RuntimeError: no disk"),
        ("WRONG", "returned a int: it must return a contextssl.Data"),
        ("number", "is a int: name a contextssl.DataSet, or a function that returns a contextssl.Data"),
        ("missing", "cannot be imported"),
    ):
        with pytest.raises(SettingsError, match=f"dataset.*{mine}:{name}.*{message}"):
            open_data(TrainSettings(dataset=f"{mine}:{name}"))


def test_the_former_name_of_the_setting_is_accepted_with_a_warning(mine: str) -> None:
    with pytest.warns(UserWarning, match="data_factory= is dataset= now, and is no longer accepted from version 1.0"):
        read = settings_from("train", TrainSettings, [f"data_factory={mine}:data"])
    assert read == TrainSettings(dataset=f"{mine}:data")


def test_a_run_from_before_is_read(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its checkpoint and settings say data_factory, which means the same and is no more imported than before."""
    named = f"dataset={mine}:data"
    assert main(["train", named, *TINY, "run_dir=run"]) == 0
    before = {"dataset": "3diebench", "data_factory": f"{mine}:data"}
    content = checkpoints.read("run/checkpoints/last.ckpt")
    content[checkpoints.RECIPE]["settings"].update(before)
    torch.save(content, "run/checkpoints/last.ckpt")
    edit_json(Path("run/settings.json"), lambda written: written["settings"].update(before))
    Path("run/results.json").unlink()
    sys.modules.pop(mine)
    for command in (["evaluate", "geometry", "run", "progress=false"], ["train", "resume=run", "progress=false"]):
        assert f"give them again by {named}" in error_of(capsys, *command)
    assert mine not in sys.modules
    assert main(["train", "resume=run", named, "progress=false"]) == 0
    assert main(["evaluate", "geometry", "run", named, *QUICK]) == 0
    assert read_run(Path("run")).dataset == "own"


def test_a_run_that_was_stopped_early_names_no_code_either(mine: str) -> None:
    Path("run").mkdir()
    settings = TrainSettings(dataset=f"{mine}:data", epochs=1)
    Path("run/settings.json").write_text(json.dumps({"format": 1, "settings": {**vars(settings)}}))
    with pytest.raises(CheckpointError, match=f"give them again by dataset={mine}:data"):
        train(TrainSettings(resume="run", progress=False))
    assert mine not in sys.modules


def test_a_comparison_on_data_of_ones_own_goes_on(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", f"dataset={mine}:data", *TINY, "methods=[simclr]", "seeds=[0]", "protocols=[geometry]", "compare_bottleneck=[0]"]
    assert main(asked) == 0
    assert "0 finished, 1 to do" in capsys.readouterr().out
    assert read_results(Path("runs/compare/simclr/seed0"))[0]["data"]["kind"] == "own"
    # What was evaluated under the setting's former name is the same.
    path = Path("runs/compare/simclr/seed0/results.json")
    former = {"dataset": None, "data_factory": f"{mine}:data"}
    edit_json(path, lambda written: written["run"]["evaluations"]["geometry"]["settings"].update(former))
    assert main(asked) == 0
    assert "1 finished, 0 to do" in capsys.readouterr().out


def test_data_of_ones_own_are_looked_over(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", f"dataset={mine}:MINE", "amount=6", "progress=false"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "train: 6, val: 30" in said and "level (1), side (1)" in said and "ok: no fault found" in said
    assert Path(f"{mine}-MINE-views.png").is_file()
    assert main(["data", "check", f"dataset={mine}:faulty", "progress=false"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "train has views of shape (3, 8, 8), but view_shape is (3, 16, 16)",
        "train: channel 2 is 7 in every view",
        "val: side.0 is not finite in some view",
    ):
        assert words in said


@pytest.fixture
def installed(mine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that brings a data set, ``levels``, as pip leaves it."""
    Path("site/levels-1.0.dist-info").mkdir(parents=True)
    shutil.copy("my_levels.py", "site/my_levels.py")
    Path("my_levels.py").unlink()
    Path("site/levels-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: levels\nVersion: 1.0\n")
    Path("site/levels-1.0.dist-info/entry_points.txt").write_text("[contextssl.datasets]\nlevels = my_levels:MINE\ngone = my_levels:GONE\n")
    monkeypatch.syspath_prepend("site")
    vars(DATA_SETS).pop("_installed", None)
    yield
    vars(DATA_SETS).pop("_installed", None)


def test_an_installed_data_set_is_found_by_its_name(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"levels", "gone"} <= set(DATA_SETS.names()) and "levels" in [each.name for each in DATA_SETS.all()]
    assert main(["train", "dataset=levels", "amount=12", *TINY, "run_dir=run"]) == 0
    assert read_results(Path("run"))[0]["data"]["kind"] == "levels"
    # It need not be named again.
    assert main(["evaluate", "geometry", "run", *QUICK]) == 0
    assert read_results(Path("run"))[0]["evaluations"]["geometry"]["train_items"] == 12
    assert main(["report", "run", "figures=false"]) == 0
    assert Path("run/gallery.json").is_file()
    Path("run/results.json").unlink()
    assert main(["train", "resume=run", "progress=false"]) == 0
    assert "the installed dataset 'gone' (my_levels:GONE) cannot be imported" in error_of(capsys, "train", "dataset=gone")


def test_every_data_set_says_what_it_is() -> None:
    for name, data_set in DATA_SETS.built_in.items():
        assert data_set.name == name and data_set.views in ("images", "rows", "features") and data_set.reads
        assert data_set.found_by in data_set.reads
    assert [name for name, each in DATA_SETS.built_in.items() if each.recognises][-1] == "images", "it takes what nobody else knows"
