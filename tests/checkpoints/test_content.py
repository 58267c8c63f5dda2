"""Checkpoints of ours that are not what they should be: each is one line, and takes neither time nor memory."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import contextssl
from contextssl import checkpoints
from contextssl.checkpoints import content as checkpoint_content
from contextssl.checkpoints.content import check_plain, check_resumable, settings_of
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.errors import CheckpointError, DataError, SettingsError
from contextssl.evaluation.evaluated import open_evaluated
from contextssl.training.run import train
from tests.made_checkpoints import content_of, write
from tests.training.runs import tiny_settings

Change = Callable[[dict[str, Any]], Any]
KEPT = content_of()
RECIPE = checkpoints.RECIPE
SECOND = "model.predictor.read_out.weight"


def put(*path: Any, value: Any) -> Change:
    """A change that sets what lies at a path of keys."""

    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def drop(*path: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def test_a_checkpoint_that_is_right_loads(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    model = contextssl.load(write(tmp_path / "right.ckpt", KEPT))
    assert torch.equal(model.predictor.read_out.weight, KEPT["state_dict"][SECOND])
    assert torch.equal(torch.get_rng_state(), before), "loading draws nothing from the user's stream"


ODD: dict[str, Change] = {
    **{
        f"no {name}": drop(RECIPE, name)
        for name in ("settings", "factors", "class_names", "image_mean", "encoder", "data", "view_shape", "format")
    },
    **{
        f"{name} is {type(value).__name__}": put(RECIPE, name, value=value)
        for name in (
            "settings",
            "factors",
            "class_names",
            "image_mean",
            "image_std",
            "encoder",
            "data",
            "view_shape",
            "format",
            "labels",
            "columns",
        )
        for value in (3, "words", torch.zeros(2), [3], {"a": 1})
        if not (name == "encoder" and isinstance(value, str)) and not (name == "data" and isinstance(value, dict))
        # A class may be called anything.
        if not (name == "class_names" and isinstance(value, list))
    },
    "recipe is a list": put(RECIPE, value=[1]),
    "format of a later version": put(RECIPE, "format", value=2),
    "settings of the wrong type": put(RECIPE, "settings", "width", value="wide"),
    "a method that is none": put(RECIPE, "settings", "method", value="simplest"),
    "a bool for a number": put(RECIPE, "settings", "epochs", value=True),
    "a million layers": put(RECIPE, "settings", "n_layer", value=1_000_000),
    "a huge width": put(RECIPE, "settings", "width", value=1 << 24),
    "a huge projection": put(RECIPE, "settings", "projection_dim", value=1 << 40),
    "no width": put(RECIPE, "settings", "width", value=0),
    "heads that do not divide": put(RECIPE, "settings", "n_head", value=3),
    "an unknown backbone": put(RECIPE, "settings", "backbone", value="resnet19"),
    "a huge backbone": put(RECIPE, "settings", "backbone", value="resnet152"),
    "views of another size": put(RECIPE, "view_shape", value=[3, 1 << 19, 1 << 19]),
    "views of no size": put(RECIPE, "view_shape", value=[3, -1, 8]),
    "no state": drop("state_dict"),
    "state is a list": put("state_dict", value=[1]),
    "state of other names": put("state_dict", value={"a": torch.zeros(2)}),
    "a number for a tensor": put("state_dict", SECOND, value=3.0),
    "a tensor is missing": drop("state_dict", SECOND),
    "a tensor of another shape": put("state_dict", SECOND, value=torch.zeros(3)),
    "an expanded tensor": put("state_dict", SECOND, value=torch.zeros(1, 1).expand(1 << 20, 1 << 20)),
    "whole numbers": put("state_dict", SECOND, value=torch.zeros(8, 16, dtype=torch.long)),
    "a sparse tensor": put("state_dict", SECOND, value=torch.eye(3).to_sparse()),
    "NaN": put("state_dict", SECOND, value=torch.full((8, 16), torch.nan)),
    "infinity": put("state_dict", SECOND, value=torch.full((8, 16), torch.inf)),
}


@pytest.mark.filterwarnings("ignore:Sparse", "ignore:.*sparse")
@pytest.mark.parametrize("name", ODD)
def test_a_checkpoint_of_odd_content_is_one_line(tmp_path: Path, name: str) -> None:
    content = copy.deepcopy(KEPT)
    ODD[name](content)
    began = time.process_time()
    with pytest.raises(CheckpointError, match="odd.ckpt") as caught:
        contextssl.load(write(tmp_path / "odd.ckpt", content))
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 20


def test_weights_that_are_not_finite_are_said_to_be(tmp_path: Path) -> None:
    content = copy.deepcopy(KEPT)
    content["state_dict"][SECOND][0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="holds NaN or infinity in predictor.read_out.weight: its weights are of no use"):
        contextssl.load(write(tmp_path / "nan.ckpt", content))


def test_settings_of_a_later_version_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = copy.deepcopy(KEPT)
    content[RECIPE]["settings"].update(gating=3, zoom=1)
    content[RECIPE]["version"] = "9.1"
    with pytest.raises(CheckpointError, match=r"written by version 9.1, with settings .* does not know: gating, zoom; update contextssl"):
        contextssl.load(write(tmp_path / "later.ckpt", content))
    # What an earlier version wrote under another name, or this one dropped, is read.
    content[RECIPE]["settings"]["gating"] = 24
    del content[RECIPE]["settings"]["width"]
    monkeypatch.setattr(checkpoint_content, "FORMER_SETTINGS", {"gating": "width", "zoom": None})
    assert settings_of(content).width == 24


def test_settings_that_were_not_there_yet_are_read() -> None:
    content = copy.deepcopy(KEPT)
    for name in ("encoder_factory", "sequence_heads"):
        del content[RECIPE]["settings"][name]
    assert settings_of(content).sequence_heads == 4


RESUMED: dict[str, Change] = {
    **{
        f"no {name}": drop(name)
        for name in (
            "epoch",
            "global_step",
            "loops",
            "callbacks",
            "optimizer_states",
            "lr_schedulers",
            "pytorch-lightning_version",
            "state_dict",
        )
    },
    "a negative step": put("global_step", value=-3),
    "a step of words": put("global_step", value="3"),
    "no moments": drop("optimizer_states", 0, "state"),
    "moments of another model": put("optimizer_states", 0, "state", 0, "exp_avg", value=torch.zeros(7)),
    "moments of too many": put("optimizer_states", 0, "state", 9999, value={"exp_avg": torch.zeros(7)}),
    "moments that are not finite": put("optimizer_states", 0, "state", 1, "exp_avg", value=torch.full((3,), torch.nan)),
    "weights of another model": put("state_dict", SECOND, value=torch.zeros(3)),
    "format of a later version": put(RECIPE, "format", value=2),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_checkpoint_that_cannot_be_resumed_is_one_line(tmp_path: Path, name: str) -> None:
    content = copy.deepcopy(KEPT)
    RESUMED[name](content)
    if name == "format of a later version":
        with pytest.raises(CheckpointError, match="odd.ckpt has format 2"):
            train(tiny_settings(resume=str(write(tmp_path / "odd.ckpt", content))))
        return
    model = contextssl.load(write(tmp_path / "right.ckpt", KEPT))
    check_resumable(KEPT, model, checkpoints.MODEL_PREFIX, "right.ckpt")
    with pytest.raises(CheckpointError, match="odd.ckpt"):
        check_resumable(content, model, checkpoints.MODEL_PREFIX, "odd.ckpt")


@pytest.mark.filterwarnings("ignore:.*it is written again from the checkpoint")
@pytest.mark.parametrize("word", ["dataset", "data_factory"])
def test_no_module_is_imported_because_a_checkpoint_names_it(in_folder: Path, word: str) -> None:
    """Neither an augmentation of somebody's own nor a factory; also not on resuming."""
    for name in ("evil_augmentation", "evil_data", "evil_encoder"):
        (in_folder / f"{name}.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
    content = copy.deepcopy(KEPT)
    content[RECIPE]["settings"].update(
        {
            "dataset": "images",
            "factors": ["crop", "evil_augmentation:Evil"],
            "encoder_factory": "evil_encoder:encoder",
            word: "evil_data:data",
        }
    )
    (in_folder / "run/checkpoints").mkdir(parents=True)
    path = write(in_folder / "run/checkpoints/evil.ckpt", content)
    contextssl.load(path)
    again = TrainSettings(resume=str(path), progress=False)
    evaluation = EvaluateSettings(load_model=str(path), progress=False)
    on_others = EvaluateSettings(load_model=str(path), dataset="images", progress=False)
    message = r"evil.ckpt was trained with code of its author's, evil_augmentation:Evil.*factors=\[crop,evil"
    with pytest.raises(SettingsError, match=message):
        train(again)
    with pytest.raises(SettingsError, match=message):
        open_evaluated(on_others)
    content[RECIPE]["settings"].update(factors=["crop"])
    write(path, content)
    message = "evil.ckpt was trained on data of your own, which are not opened because a file names them: give them again by dataset=evil_data:data"
    with pytest.raises(CheckpointError, match=message):
        train(again)
    with pytest.raises(CheckpointError, match=message):
        open_evaluated(evaluation)
    with pytest.raises(DataError, match="no data"):
        open_evaluated(on_others)
    assert not Path("imported").exists()


def doubled(depth: int) -> Any:
    found: Any = ["x"] * 10
    for _ in range(depth):
        found = [found] * 10
    return found


@pytest.mark.parametrize(
    "value", [doubled(8), doubled(60), "x" * 1_000_001, 10**40, [{"a": doubled(7)}]], ids=["tens", "deep", "long", "number", "within"]
)
def test_values_that_nobody_can_look_through_are_refused(value: Any) -> None:
    """Lists of the same ten lists take a few bytes, and longer than the universe to print."""
    with pytest.raises(CheckpointError, match="too many, too deep or too long"):
        check_plain({"settings": value}, "x.ckpt")


def test_usual_values_are_looked_through() -> None:
    check_plain({"classes": ["name"] * 100_000, "numbers": [0.5, 3, None, True], "tensor": torch.zeros(3), (1, 2): {"a": ()}}, "x.ckpt")
