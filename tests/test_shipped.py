"""The models that come with the package: they load, they are small, and they give the numbers of their cards."""

from __future__ import annotations

import re
import runpy
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import contextssl
from contextssl.checkpoints import SHIPPED, find_checkpoint, shipped_models
from contextssl.cli import main
from contextssl.errors import CheckpointError
from contextssl.models.by_examples import ByExamples
from contextssl.records.results import read_results

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/shipped_models.py"))
MODELS, table = SCRIPT["MODELS"], SCRIPT["table"]
PHOTOS = Path(__file__).parents[2] / "shared/data/cifar10_images.tar.gz"
# Numbers of a card are rounded to 0.001; other kernels sum in another order, and a nearest neighbour may then be another.
APART = 0.02


@pytest.mark.parametrize("name", MODELS)
def test_it_is_small_loads_and_works(name: str) -> None:
    assert (SHIPPED / f"{name}.safetensors").stat().st_size < 10e6
    model = contextssl.load(name, device="cpu")
    assert isinstance(model, ByExamples) and model.view_shape is not None and model.card == (SHIPPED / f"{name}.md").read_text()
    images = torch.randint(0, 256, (14, *model.view_shape), dtype=torch.uint8)
    context = model.context(images.unflatten(0, (7, 2)))
    assert model.embed(images, context).shape == (14, model.projection_dim)
    assert {*context.describe().factors} == {*model.factors.names}
    # No place of the machine that made it.
    content = (SHIPPED / f"{name}.safetensors").read_bytes()
    assert not re.search(rb'"[^"]*/(home|tmp|root|work)/', content)


def test_all_of_them_have_cards_and_are_made_by_the_script() -> None:
    assert shipped_models() == sorted(MODELS) == sorted(path.stem for path in SHIPPED.glob("*.md"))


def test_a_run_of_the_same_name_comes_first(in_folder: Path) -> None:
    assert find_checkpoint("shapes") == SHIPPED / "shapes.safetensors"
    (in_folder / "shapes/checkpoints").mkdir(parents=True)
    (in_folder / "shapes/checkpoints/last.ckpt").touch()
    assert find_checkpoint("shapes") == Path("shapes/checkpoints/last.ckpt")
    with pytest.raises(CheckpointError, match=r"models that come with contextssl: photos and shapes"):
        find_checkpoint("shape")


@pytest.fixture
def with_photos(in_folder: Path) -> Iterator[Path]:
    if not PHOTOS.is_file():
        pytest.skip("the photos of CIFAR-10 are not there (../shared/data/cifar10_images.tar.gz)")
    with tarfile.open(PHOTOS) as archive:
        archive.extractall(in_folder / "cifar10_images", filter="data")
    yield in_folder


@pytest.mark.filterwarnings("ignore:.* was trained on other data")
def test_shapes_give_the_numbers_of_their_card(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("shapes", in_folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* was trained on other data")
def test_photos_give_the_numbers_of_their_card(with_photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("photos", with_photos)


def check(name: str, folder: Path) -> None:
    """The small evaluation of the card, again."""
    words = [
        "evaluate",
        "geometry",
        name,
        *shlex.split(MODELS[name].check),
        f"run_dir={folder / 'again'}",
        "accelerator=cpu",
        "progress=false",
    ]
    assert main(words) == 0
    rows = [
        row
        for row in read_results(folder / "again")[1]
        if row.protocol == "geometry" and row.representation == "embedding" and not row.bottleneck
    ]
    said = (SHIPPED / f"{name}.md").read_text().split("## Check")[1]
    assert MODELS[name].check in said
    wanted, found = (re.findall(r"^\|.*\|$", text, flags=re.MULTILINE) for text in (said, table(rows, MODELS[name].effect)))
    assert len(wanted) == len(found) > 4 and wanted[0] == found[0]
    for one, other in zip(wanted[2:], found[2:], strict=True):
        cells, again = ([cell.strip() for cell in line.strip("|").split("|")] for line in (one, other))
        assert cells[0] == again[0]
        for cell, number in zip(cells[1:], again[1:], strict=True):
            assert cell == number or float(cell) == pytest.approx(float(number), abs=APART)
