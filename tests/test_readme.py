"""Every command in the README is run, at a tiny size, in the README's order; so is its Python."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from contextssl.cli import main
from contextssl.data.folder import write_folder
from tests.people import write_people
from tests.sources import ToySource, write_photos

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()

# What makes a command small enough for a test; the words that are said in the README come first and are kept.
SMALL = {
    "train": "epochs=1 batch_size=8 pairs_per_item=1 width=32 n_layer=1 projection_dim=16 auxiliary_width=16 block_size=8 log_interval=1 "
    "val_pairs=8 eval_ctxt=[0,6] accelerator=cpu progress=false",
    "shapes data": "classes=2 objects=4 val_objects=2 views=4",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    return [shlex.split(line) for block in blocks("sh") for line in block.splitlines() if line.strip()]


def small(words: list[str]) -> list[str]:
    """The same command, shrunk: settings of size are added or replaced, everything else stays as the README says."""
    given = {word.split("=", 1)[0]: word for word in words if "=" in word}
    extra: list[str] = []
    if words[0] == "train" and "resume" not in given:
        extra += SMALL["train"].split()
        if "experiment=photos_minutes" in words:
            extra += ["resolution=16"]
        elif "experiment=table" in words:
            extra += ["encoder_width=16"]
        elif "experiment" in given:
            extra += [*SMALL["shapes data"].split(), "resolution=16"]
        elif given.get("data_dir") == "data_dir=path/to/3DIEBench":
            extra += ["resolution=16", "backbone=resnet_compact"]
    if words[0] in ("compare", "reproduce"):
        extra += [*SMALL["train"].split(), *SMALL["shapes data"].split(), "resolution=16", "projector_width=16", "seeds=[0]"]
        extra += ["protocols=[geometry,retrieval]"]
        extra = [word for word in extra if not word.startswith("eval_ctxt")]
    if words[0] == "reproduce":
        extra += ["vary={mask_prob:[0,0.9]}"]
    if words[:2] == ["data", "shapes"]:
        extra += SMALL["shapes data"].split()
    if words[:2] == ["evaluate", "fairness"]:
        extra += [
            "scarf_epochs=1",
            "contexts=1",
            "fairness_bottleneck=[0.5]",
            "adversaries=[logistic]",
            "accelerator=cpu",
            "progress=false",
        ]
    replaced = {word.split("=", 1)[0] for word in extra}
    return [word for word in words if word.split("=", 1)[0] not in replaced] + extra


def write_own_module(path: Path) -> None:
    """The README's own data and encoder as functions of a module."""
    arrays = """
def arrays(items):
    rng = np.random.default_rng(items)
    images = rng.integers(0, 256, (items, 4, 8, 8, 3), dtype=np.uint8)
    return images, rng.random((items, 4, 3), dtype=np.float32), np.arange(items) % 2

train_arrays, val_arrays = arrays(20), arrays(6)
"""
    (build,) = [block for block in blocks("python") if "Data(" in block]
    end = """
def encoder():
    made = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 8))
    made.num_features = 8
    return made

made = data

def data():
    return made
"""
    before = build.split("settings =")[0]
    path.write_text("\n".join(["import numpy as np", "from torch import nn", arrays, before, end]))


# A tiny data set is too small for some numbers, and the commands say so.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_command_of_the_readme_runs(in_folder: Path) -> None:
    write_folder(ToySource(items={"train": 10, "val": 4}), in_folder / "path/to/3DIEBench", 24, workers=0, progress=False)
    write_photos(in_folder / "path/to/photos")
    write_people(in_folder / "people.csv")
    write_own_module(in_folder / "mine.py")
    ran = 0
    for words in commands():
        program, *rest = words
        if program == "contextssl":
            assert main(small(rest)) == 0, words
        elif program == "make":
            assert subprocess.run(["make", "-n", *rest], cwd=ROOT, capture_output=True, check=False).returncode == 0, words
        elif program == "torchrun":
            start, module = words[1:4], words[4:]
            assert start[1:] == ["-m", "contextssl"]
            sizes = [*small(module), "batch_size=16", "block_size=8"]
            command = [sys.executable, "-m", "torch.distributed.run", "--master-port=29518", *start, *sizes]
            assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0, words
        else:
            assert words == ["pip", "install", "-e", ".[all]"], f"no test runs {words}"
            assert "[project.optional-dependencies]" in (ROOT / "pyproject.toml").read_text()
        ran += 1
    assert ran >= 10


class MyEncoder(nn.Sequential):
    num_features = 8

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3 * 8 * 8, 8))


@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_readme_runs(in_folder: Path) -> None:
    def arrays(items: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(items)
        images = rng.integers(0, 256, (items, 4, 8, 8, 3), dtype=np.uint8)
        return images, rng.random((items, 4, 3), dtype=np.float32), np.arange(items) % 2

    use, build = blocks("python")
    scope: dict[str, Any] = {"train_arrays": arrays(20), "val_arrays": arrays(6), "my_encoder": MyEncoder()}
    exec(build, scope)
    assert (scope["run"] / "results.json").exists()

    command = ["train", *small(["train", "experiment=shapes_minutes", "run_dir=runs/first"])[1:]]
    assert main(command) == 0
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    scope = {"source": images, "target": images, "action": torch.randn(5, 6), "images": images}
    scope["source"], scope["target"], scope["action"] = images[:3], images[1:4], torch.randn(3, 6)
    exec(use, scope)
    assert scope["z"].shape == (5, 16)


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
