"""from=RUN: a new run that starts from the weights of another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import contextssl
from contextssl.checkpoints import RECIPE, read
from contextssl.cli import main
from contextssl.errors import CheckpointError, SettingsError
from contextssl.models.model_file import write_model
from contextssl.models.weights_mark import weights_fingerprint
from contextssl.records.results import read_results
from contextssl.training.run import train
from tests.training.runs import tiny_settings

SMALL = (
    "dataset=shapes classes=2 objects=4 val_objects=2 resolution=8 backbone=resnet_compact projection_dim=16 width=32 n_layer=1 block_size=8 "
    "auxiliary_width=16 batch_size=8 warmup_epochs=0 val_pairs=8 eval_ctxt=[0,6] log_interval=1 accelerator=cpu progress=false"
)


@pytest.fixture
def first(in_folder: Path) -> Path:
    assert main(["train", *SMALL.split(), "views=4", "epochs=1", "weight_equiv_loss=3.0", "run_dir=first"]) == 0
    return in_folder / "first"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_goes_on_from_another(first: Path, in_folder: Path) -> None:
    assert (
        main(
            [
                "train",
                "from=first",
                "epochs=+2",
                "learning_rate=1e-9",
                "weight_decay=0",
                "run_dir=second",
                "accelerator=cpu",
                "progress=false",
            ]
        )
        == 0
    )
    about, before = read_results(Path("second"))[0], read_results(Path("first"))[0]
    # The other run's settings, but for those given; its own beginning and number of epochs.
    assert about["settings"] == {
        **before["settings"],
        "start_from": "first",
        "epochs": 2,
        "learning_rate": 1e-9,
        "weight_decay": 0.0,
        "run_dir": "second",
        **{name: about["settings"][name] for name in ("data_dir", "path")},
    }
    old, new = contextssl.load("first", device="cpu"), contextssl.load("second", device="cpu")
    assert about["start_from"]["weights"] == weights_fingerprint(old) and about["start_from"]["steps"] == before["steps"]
    assert read(Path("second/checkpoints/last.ckpt"))[RECIPE]["start_from"] == about["start_from"]
    for name, parameter in new.named_parameters():
        torch.testing.assert_close(parameter, dict(old.named_parameters())[name], atol=1e-5, rtol=0)
    assert main(["train", "from=second", "epochs=1", "run_dir=third", "accelerator=cpu", "progress=false"]) == 0
    assert read_results(Path("third"))[0]["start_from"]["before"] == about["start_from"]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_is_resumed_as_any_run(first: Path, in_folder: Path) -> None:
    words = ["train", "from=first", "epochs=3", "accelerator=cpu", "progress=false"]
    assert main([*words, "run_dir=whole"]) == 0
    assert main([*words, "run_dir=stopped", "max_minutes=1e-9"]) == 0
    assert main(["train", "resume=stopped", "accelerator=cpu", "progress=false"]) == 0
    whole, stopped = (contextssl.load(name, device="cpu") for name in ("whole", "stopped"))
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(parameter, dict(stopped.named_parameters())[name])
    assert read_results(Path("stopped"))[0]["start_from"] == read_results(Path("whole"))[0]["start_from"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_from_a_model_file_on_other_data(first: Path, in_folder: Path) -> None:
    write_model(contextssl.load("first", device="cpu"), Path("model.safetensors"), half=False)
    words = ["from=model.safetensors", "epochs=1", "data_seed=5", "views=6", "run_dir=other", "accelerator=cpu", "progress=false"]
    assert main(["train", "dataset=shapes", *words]) == 0
    assert read_results(Path("other"))[0]["settings"]["data_seed"] == 5


def test_what_cannot_be(first: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["from=first"], "from=first starts a new run: say for how many epochs, such as epochs=+20"),
        (["from=first", "epochs=1", "pretrained=true"], "both say where weights come from"),
        (["from=nowhere", "epochs=1"], "no run or checkpoint at nowhere"),
        (["from=first", "epochs=1", "width=64"], "is of another architecture"),
    ):
        assert main(["train", *words, "run_dir=new", "accelerator=cpu", "progress=false"]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises((CheckpointError, SettingsError)):
        train(dataclasses.replace(tiny_settings(), start_from="first", projection_dim=7))
