"""Every command of the README and of some guides is run, at a tiny size and in its order; so is their Python."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from contextssl.cli import _split, main
from contextssl.config.bare_words import named
from contextssl.config.overrides import settings_from
from contextssl.config.setting import setting
from contextssl.data.folder import write_folder
from contextssl.data.shapes import ShapesSource
from contextssl.method import Method, Parts
from contextssl.models.baselines.term import Term
from contextssl.records.results import read_results
from tests.example_package import installed_example
from tests.listed import write_pairs
from tests.people import write_people
from tests.reference import published_state
from tests.sources import ToySource, write_photos
from tests.used import pixels, write_images

ROOT = Path(__file__).parents[1]
GUIDES = (
    "README.md",
    "docs/training.md",
    "docs/extending.md",
    "docs/plugins.md",
    "docs/contexts.md",
    "docs/pairs.md",
    "docs/rendering.md",
    "docs/using.md",
    "docs/scaling.md",
)
# What makes a command small enough for a test: these settings are added or replaced, everything else stays as the guide says.
TRAIN = (
    "epochs=1 warmup_epochs=0 batch_size=8 pairs_per_item=1 width=32 n_layer=1 projection_dim=16 auxiliary_width=16 block_size=8 log_interval=1 "
    "val_pairs=8 eval_ctxt=[0,6] accelerator=cpu progress=false"
)
SHAPES = "classes=2 objects=4 val_objects=2 views=4"
USE = "accelerator=cpu progress=false"
EVALUATE = "contexts=1 neighbours=3 accelerator=cpu progress=false"


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / guide).read_text(), flags=re.DOTALL)


def commands(guide: str) -> list[list[str]]:
    return [shlex.split(line) for block in blocks(guide, "sh") for line in block.splitlines() if line.strip()]


# Of a measurement, by what it measures.
BENCH_TRAIN = (
    "rounds=1 resolution=16 backbone=resnet_compact batch_size=8 block_size=8 width=16 n_layer=1 projection_dim=16 "
    "auxiliary_width=16 accelerator=cpu"
)
BENCH = {
    "train": BENCH_TRAIN,
    "evaluate": f"{BENCH_TRAIN} items=8 probe_epochs=1 eval_ctxt=[0,6]",
    "data": "rounds=1 resolution=16 objects=4 views=2 batch_size=4 progress=false",
    "context": "rounds=1 pairs=4 queries=4 width=16 n_layer=1 accelerator=cpu",
}


def small(words: list[str]) -> list[str]:
    extra = {
        "bench": BENCH.get(words[1], ""),
        "train": TRAIN,
        "compare": f"{TRAIN} {SHAPES} resolution=16 projector_width=16 seeds=[0] protocols=[geometry,retrieval]".replace(
            "eval_ctxt=[0,6] ", ""
        ),
        "evaluate": EVALUATE,
        "data": {"shapes": SHAPES, "shard": "shard_mb=0.1 progress=false"}.get(words[1], ""),
        "report": "",
        "import": f"{USE} n_head=4 block_size=8",
        **dict.fromkeys(("embed", "neighbours", "context", "adapt"), USE),
    }[words[0]]
    if words[0] == "train":
        for word, of_it in {
            "experiment=shapes_minutes": f"{SHAPES} resolution=16",
            "experiment=shapes_examples": f"{SHAPES.replace(' views=4', '')} resolution=16 grid={{rotation:2,color:2}} grid_views=null",
            "dataset=images": "resolution=16",
            "dataset=pairs": "resolution=16",
            "dataset=table": "encoder_width=16 row_views=4",
            **dict.fromkeys(("data_dir=path/to/3DIEBench", "data_dir=path/to/3DIEBench-T"), "resolution=16 backbone=resnet_compact"),
            "translation=true": f"{SHAPES} resolution=16 backbone=resnet_compact",
        }.items():
            extra += f" {of_it}" if word in words else ""
    if any(word.startswith("grid=") for word in words):
        words = [re.sub(r":\d+", ":2", word) if word.startswith("grid=") else word for word in words]
        extra = f"{extra.replace(' views=4', '')} {SHAPES.replace(' views=4', '')} resolution=16"
    added = [] if any(word.startswith("resume=") for word in words) else extra.split()
    if any(word.startswith("epochs=") for word in words) and words[0] == "evaluate":
        added.append("epochs=1")
    replaced = {word.split("=", 1)[0] for word in added}
    return [word for word in words if word.split("=", 1)[0] not in replaced] + added


def run(words: list[str]) -> None:
    """One command of a guide."""
    program, *rest = words
    if program == "contextssl":
        assert main(small(rest)) == 0, words
    elif program == "make":
        assert subprocess.run(["make", "-n", *rest], cwd=ROOT, capture_output=True, check=False).returncode == 0, words
    elif program == "python":
        smaller = (
            ["20", "photos", "40"] if rest[0] == "benchmarks/embedding.py" else [*SHAPES.split()[:2], "val_objects=4", "resolution=16"]
        )
        command = [sys.executable, str(ROOT / rest[0]), *rest[1:], *smaller]
        assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0, words
    elif program == "torchrun":
        start, module = words[1:4], words[4:]
        assert start[1:] == ["-m", "contextssl"]
        command = [sys.executable, "-m", "torch.distributed.run", "--master-port=29518", *start, *small(module), "batch_size=16"]
        assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0, words
    else:
        assert words[:2] == ["pip", "install"], f"no test runs {words}"
        installable(words[-1])


def installable(what: str) -> None:
    """``.[extra]``, or a folder with a package."""
    folder, _, extras = what.partition("[")
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert {*extras.rstrip("]").split(",")} - {""} <= {*project.get("optional-dependencies", {})}


def arrays(items: int) -> tuple[np.ndarray, ...]:
    """Images, latents and labels, as the guide on extending has them."""
    rng = np.random.default_rng(items)
    images = rng.integers(0, 256, (items, 4, 8, 8, 3), dtype=np.uint8)
    return images, rng.random((items, 4, 3), dtype=np.float32), np.arange(items) % 2


class MyEncoder(nn.Sequential):
    num_features = 8

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3 * 8 * 8, 8))


def write_own_module(path: Path) -> None:
    """The guide's own data and encoder as functions of a module."""
    (build,) = blocks("docs/extending.md", "python")
    before = "from tests.test_readme import MyEncoder as encoder, arrays\n\ntrain_arrays, val_arrays = arrays(20), arrays(6)\n"
    after = "\nmade = data\n\ndef data():\n    return made\n"
    (head,) = blocks("docs/plugins.md", "python")
    path.write_text(before + build.split("settings =")[0] + after + head)


def write_meshes(folder: Path) -> None:
    """Two classes of six meshes each, and a mug beside them."""
    from contextssl.data.shapes import shape_mesh

    for name in ("mug", "table"):
        (folder / "my_meshes" / name).mkdir(parents=True)
        for number in range(6):
            shape_mesh(name, np.random.default_rng(number)).export(folder / f"my_meshes/{name}/{number}.obj")
    shape_mesh("mug", np.random.default_rng(9)).export(folder / "mug.obj")


def write_used(folder: Path) -> None:
    """What the guide on using a model names."""
    paths = write_images(folder / "images", pixels(8, side=40))
    for path, name in zip(paths, ("query", "a", "b"), strict=False):
        path.rename(path.with_name(f"{name}.png"))
    rows = [["a.png", "b.png"], *([f"image{n:03d}.png", f"image{n + 1:03d}.png"] for n in range(3, 7))]
    (folder / "images/pairs.csv").write_text("first,second\n" + "\n".join(map(",".join, rows)))
    torch.save(published_state(), folder / "published.pt")


@pytest.fixture
def with_everything(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files and folders that the guides name."""
    write_folder(ToySource(items={"train": 10, "val": 4}), in_folder / "path/to/3DIEBench", 24, workers=0, progress=False)
    moved = ShapesSource(classes=2, objects_per_class=4, val_objects_per_class=2, num_views=4, translation=True)
    write_folder(moved, in_folder / "path/to/3DIEBench-T", 16, workers=0, progress=False)
    for name in ("kind0/val_000", "kind1/val_001"):
        shutil.copytree(in_folder / "path/to/3DIEBench" / name, in_folder / "path/to/3DIEBench-OOD" / name)
    write_photos(in_folder / "path/to/photos")
    write_people(in_folder / "people.csv")
    write_pairs(in_folder / "path/to/folder")
    write_own_module(in_folder / "mine.py")
    write_meshes(in_folder)
    write_used(in_folder)
    monkeypatch.syspath_prepend(str(in_folder))
    return in_folder


# A tiny data set is too small for some numbers, and the commands say so.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("guide", [guide if guide == "README.md" else pytest.param(guide, marks=pytest.mark.long) for guide in GUIDES])
def test_every_command_runs(guide: str, with_everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = commands(guide)
    assert len(asked) >= 3
    with installed_example(with_everything, monkeypatch):
        if guide in ("docs/training.md", "docs/plugins.md"):
            run(next(words for words in commands("README.md") if words[:2] == ["contextssl", "train"]))
        for words in asked:
            run(words)


@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_readme_runs(in_folder: Path) -> None:
    run(next(words for words in commands("README.md") if words[:2] == ["contextssl", "train"]))
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    scope: dict[str, Any] = {"pairs": torch.stack([images[:3], images[1:4]], dim=1), "images": images}
    for page in ("README.md", "docs/index.md", "docs/contexts.md", "docs/pairs.md"):
        (use,) = blocks(page, "python")
        scope.pop("z", None)
        exec(re.sub('load\\("runs/[a-z]+"\\)', 'load("runs/first")', use), scope)
        assert scope["z"].shape == (5, 16)


def test_the_python_of_the_guide_on_using_runs(in_folder: Path) -> None:
    """Of docs/using.md, with the model that comes with the package."""
    write_used(in_folder)
    scope: dict[str, Any] = {"photos": pixels(12), "labels": np.arange(12) % 2}
    for use in blocks("docs/using.md", "python"):
        exec(use.replace('load("photos")', 'load("photos", device="cpu")'), scope)
    assert scope["near"].rows.shape == (1, 5) and len(scope["table"]) == len(scope["z"]) == 8
    assert scope["classifier"].predict(pixels(3)).shape == (3,)


@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_guide_on_extending_runs(in_folder: Path) -> None:
    (build,) = blocks("docs/extending.md", "python")
    scope: dict[str, Any] = {"train_arrays": arrays(20), "val_arrays": arrays(6), "my_encoder": MyEncoder()}
    exec(build, scope)
    assert (scope["run"] / "results.json").exists()


@pytest.mark.filterwarnings("ignore")
def test_the_python_of_the_guide_on_evaluation_runs(in_folder: Path) -> None:
    run(next(words for words in commands("README.md") if words[:2] == ["contextssl", "train"]))
    (evaluation,) = blocks("docs/evaluation.md", "python")
    scope: dict[str, Any] = {}
    exec(
        evaluation.replace("eval_ctxt=[0, 14]", "eval_ctxt=[0, 6], epochs=1, contexts=1, neighbours=3, accelerator='cpu', progress=False"),
        scope,
    )
    assert {row.protocol for row in read_results(scope["folder"])[1]} >= {"geometry", "probe"}


def test_the_python_of_the_guide_on_rendering_runs(in_folder: Path) -> None:
    write_meshes(in_folder)
    scope: dict[str, Any] = {}
    first, own, single = blocks("docs/rendering.md", "python")
    exec(first, scope)
    assert scope["images"].shape == (50, 64, 64, 3) and scope["raw"].shape == (50, 7) and scope["latents"].shape == (50, 6)
    exec(own.replace("val_objects_per_class=10", "val_objects_per_class=2"), scope)
    assert scope["source"].class_names == ("mug", "table")
    exec(single, scope)
    assert scope["images"].shape == (1, 256, 256, 3)


def test_the_method_of_the_guide_on_comparing_is_one() -> None:
    (method,) = blocks("docs/compare.md", "python")
    scope: dict[str, Any] = {
        "dataclass": dataclass,
        "setting": setting,
        "Method": Method,
        "Parts": Parts,
        "Term": Term,
        "Pulled": lambda width, weight: (width, weight),
    }
    exec(method, scope)
    own = scope["PullSettings"](pull_weight=3)
    assert scope["Pull"].terms(SimpleNamespace(feature_width=8, own=own)) == [(8, 3)]


@pytest.mark.parametrize(("page", "least"), [("evaluation", 3), ("report", 3), ("results", 10)])
def test_the_commands_of_other_guides_are_commands(page: str, least: int) -> None:
    """Their settings are known and have values that are allowed; they run for too long for a test."""
    text = (ROOT / f"docs/{page}.md").read_text()
    asked = [shlex.split(line) for line in re.findall(r"^ *contextssl (.*)$", text, flags=re.MULTILINE)]
    assert len(asked) >= least
    for words in asked:
        name, command, given = _split(words)
        settings_from(name, command.schema, named(name, command.schema, command.positional, command.several, given))


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Of files: that they are there; of sections: that a heading has that name."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        file, _, section = link.partition("#")
        there = page.parent / file if file else page
        assert there.exists(), link
        assert not section or section in anchors(there), link


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives a page's headings."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
