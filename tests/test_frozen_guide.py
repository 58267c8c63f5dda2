"""The commands of the guide on frozen encoders, at a small size, and its benchmark."""

from __future__ import annotations

import csv
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("kornia")

import contextssl
from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from tests.datasets.test_features import written_table
from tests.listed import pairs_of_names, write_pairs

ROOT = Path(__file__).parents[1]
# fmt: off
SMALL = [
    "resolution=16", "epochs=1", "warmup_epochs=0", "batch_size=8", "pairs_per_item=2", "width=16", "n_layer=1", "n_head=2", "projection_dim=8",
    "block_size=18", "log_interval=1", "val_pairs=8", "eval_ctxt=[0,6]", "accelerator=cpu", "progress=false",
]
SHAPES = ["objects=4", "classes=2", "val_objects=5", "supersample=1", "grid={rotation:4,color:4}", "grid_views=null"]
EVALUATE = [
    "eval_ctxt=[0,14]", "contexts=1", "train_views=3", "probe_views=3", "sensitivity_items=2", "heads=[ridge]", "accelerator=cpu", "progress=false",
]
# fmt: on


def small(words: list[str]) -> list[str]:
    extra = [*SMALL, *(SHAPES if "experiment=shapes_examples" in words else [])] if words[0] == "train" else []
    extra = EVALUATE if words[0] == "evaluate" else extra
    replaced = {word.split("=", 1)[0] for word in extra}
    return [word for word in words if word.split("=", 1)[0] not in replaced] + extra


# Few small images hold little, and the commands say so.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_command_of_the_guide_runs(in_folder: Path) -> None:
    write_pairs(in_folder / "path/to/folder")
    brought = written_table(in_folder)["features"]
    listed, numbers = pairs_of_names()
    lines = "".join(re.findall(r"```sh\n(.*?)```", (ROOT / "docs/frozen.md").read_text(), flags=re.DOTALL)).splitlines()
    ran = []
    for line in lines:
        program, *words = shlex.split(line)
        if program == "python":
            assert words[0] == "benchmarks/frozen.py"
            continue
        assert program == "contextssl"
        if "pretrained=true" in words:
            # Its weights would have to be fetched.
            assert settings_from("train", TrainSettings, words[1:]).freeze
            continue
        if "path=pairs.csv" in words:
            np.save("embeddings.npy", (numbers @ np.ones((3, 4)) / 9).astype(np.float32))
            with (in_folder / "pairs.csv").open("w", newline="") as file:
                csv.writer(file).writerows([["first", "second", "environment", "item"], *listed])
        words = small(words)
        if "dataset=features" in words:
            words.remove("resolution=16")
        assert main(words) == 0, line
        ran.append(words[0])
    assert ran == ["train", "train", "evaluate", "report", "train", "train", "train"]
    images, features = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8), torch.from_numpy(brought)
    width = contextssl.load("runs/values").factors.width
    scope: dict[str, Any] = {"contextssl": contextssl, "images": images, "context": None, "source": features[:3], "target": features[3:6]}
    scope["action"] = torch.zeros(3, width)
    for block, rows in zip(
        re.findall(r"```python\n(.*?)```", (ROOT / "docs/frozen.md").read_text(), flags=re.DOTALL), (5, len(features)), strict=True
    ):
        given = scope | {"features": features}
        exec(block, given)
        assert given["z"].shape == (rows, 8)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_benchmark_prints_its_table(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["experiment=shapes_examples", "out=runs/all", *SHAPES, *SMALL, "train_views=3", "contexts=1", "sensitivity_items=0"]
    runpy.run_path(str(ROOT / "benchmarks/frozen.py"))["main"](words)
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[0].startswith("|  | encoder, min | encoding, min | predictor, min | features: R² of rotation | features: R² of color |")
    assert [line.split(" | ")[0] for line in table[2:]] == [
        "| everything trained",
        "| frozen, the encoder of that run",
        "| frozen, a supervised encoder",
        "| frozen, an encoder that was never trained",
    ]
    assert all(line.count("|") == table[0].count("|") for line in table)
