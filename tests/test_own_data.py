"""A user's own encoder and a data set of three factors go through training, with nothing but the public names."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import contextssl
from contextssl import Data, Factor, FactorSpace, TrainSettings, ViewPairs, Views
from contextssl.cli import main
from contextssl.data.dataset import data_kind
from contextssl.errors import CheckpointError
from contextssl.records.results import read_results
from contextssl.report.collect import read_run

FACTORS = FactorSpace((Factor("position", 2), Factor("size", 1), Factor("tint", 3)))


class MyEncoder(nn.Module):
    num_features = 24

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 48), nn.ReLU(), nn.Linear(48, 24))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def squares(items: int, seed: int) -> Views:
    """A tinted square somewhere on a dark ground; the class is the ground."""
    rng = np.random.default_rng(seed)
    labels = np.arange(items) % 2
    latents = rng.random((items, 5, 6), dtype=np.float32)
    images = np.zeros((items, 5, 8, 8, 3), np.uint8)
    for item in range(items):
        for view, (y, x, size, *tint) in enumerate(latents[item]):
            images[item, view] = 30 * labels[item]
            top, left, side = int(4 * y), int(4 * x), 2 + int(3 * size)
            images[item, view, top : top + side, left : left + side] = np.multiply(tint, 255).astype(np.uint8)
    return Views(images, latents, labels.astype(np.int64), FACTORS, ("dark", "grey"), [f"square {i}" for i in range(items)])


def own_data() -> Data:
    return Data(ViewPairs(squares(40, 0)), ViewPairs(squares(10, 1)), (3, 8, 8), (0.2, 0.2, 0.2), (0.3, 0.3, 0.3))


def own_encoder() -> MyEncoder:
    return MyEncoder()


HERE = [f"dataset={__name__}:own_data", f"encoder_factory={__name__}:own_encoder"]
QUICK = [
    "contexts=1",
    "heads=[ridge]",
    "train_views=2",
    "probe_views=2",
    "neighbours=2",
    "eval_ctxt=[0,6]",
    "accelerator=cpu",
    "progress=false",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From Python, with data and encoder as arguments."""
    settings = TrainSettings(
        epochs=2, batch_size=16, block_size=8, width=32, projection_dim=16, log_interval=1, warmup_epochs=1, accelerator="cpu", progress=False,
        env_ratio={"position": 0.25, "size": 0.25, "position+tint": 0.25, "none": 0.25}, eval_ctxt=[0, 6],
        output_dir=str(tmp_path_factory.mktemp("own")),
    )  # fmt: skip
    return contextssl.train(settings, data=own_data(), encoder=MyEncoder())


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def error_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    return line


def test_my_own_encoder_and_three_factors(trained: Path) -> None:
    model = contextssl.load(trained, encoder=MyEncoder())
    shown = own_data().train.draw(torch.arange(3), torch.Generator().manual_seed(0))
    context = model.context(shown.source, shown.action, shown.target, environment="position+tint")
    assert model.embed(shown.source, context).shape == (3, 16)
    assert model.predict(shown.source, shown.action, context).isfinite().all()
    with pytest.raises(CheckpointError, match="trained with your own encoder MyEncoder"):
        contextssl.load(trained)


def test_a_run_says_that_data_and_encoder_are_its_own(trained: Path) -> None:
    assert trained.name.startswith("own-")
    described, _ = read_results(trained)
    assert described["data"] == {"kind": "own"} and described["encoder"] == "own" and described["encoder_class"] == "MyEncoder"
    written = json.loads((trained / "settings.json").read_text())
    assert written["data"] == {"kind": "own"} and written["encoder"] == "own"
    found = read_run(trained)
    assert found.dataset == "own" and found.encoder == "own" and not found.in_papers_setting
    assert found.settings["dataset"] == "own" and found.settings["backbone"] == "own"


@pytest.mark.parametrize(("missing", "said"), [(0, "dataset=module:function"), (1, "encoder_factory=module:function")])
def test_what_no_file_names_is_asked_for_in_one_line(run: Path, capsys: pytest.CaptureFixture[str], missing: int, said: str) -> None:
    named = [word for index, word in enumerate(HERE) if index != missing]
    for command in (["evaluate", "geometry", str(run)], ["train", f"resume={run}"]):
        assert said in error_of(capsys, *command, *named, "progress=false")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_from_the_command_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Evaluate and report; nothing of the page compares it with the paper's setting."""
    assert main(["evaluate", "geometry", str(run), *HERE, *QUICK]) == 0
    about = read_results(run)[0]["evaluations"]["geometry"]
    assert about["data"]["kind"] == "own" and about["settings"]["dataset"] == HERE[0].split("=", 1)[1]
    assert main(["report", str(run), "figures=false"]) == 0
    page = (run / "report.html").read_text()
    assert "data of your own" in page and "your own, MyEncoder" in page and "dataset=module:function" in page
    assert "Faint lines are the paper" not in page
    assert main(["report", str(run), "figures=false", *HERE]) == 0
    assert (run / "gallery.json").exists()


def test_training_from_the_command_line(tmp_path: Path) -> None:
    """It is the same run as from Python, and resumes where both are named again."""
    tiny = "epochs=1 batch_size=16 block_size=8 width=16 n_layer=1 projection_dim=8 log_interval=1 eval_ctxt=[0] accelerator=cpu progress=false"
    words = [*tiny.split(), "env_ratio={position:0.5,none:0.5}"]
    assert main(["train", *HERE, *words, f"run_dir={tmp_path / 'run'}"]) == 0
    described, _ = read_results(tmp_path / "run")
    assert described["data"]["kind"] == "own" and described["encoder"] == "own"
    assert described["settings"]["dataset"] == HERE[0].split("=", 1)[1]
    assert main(["train", f"resume={tmp_path / 'run'}", *HERE, "progress=false"]) == 0


def test_a_name_of_ours_does_not_make_data_ours() -> None:
    data = own_data()
    assert data_kind(data) == "own"
    assert data_kind(replace(data, description={"kind": "3diebench"})) == "own"
    assert data_kind(replace(data, description={"kind": "microscopy"})) == "microscopy"
