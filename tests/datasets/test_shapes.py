"""Rendered shapes as a data set: their factors before and after rendering, the folder's name, what a report says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.shapes import ShapesSource
from contextssl.data.store import open_store
from contextssl.data.views import Views
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError
from contextssl.records.results import read_results

SHAPES = DATA_SETS.find("shapes")
SMALL = ("dataset=shapes", "classes=2", "objects=2", "val_objects=1", "resolution=16", "workers=0")


def settings(*words: str) -> TrainSettings:
    return settings_from("train", TrainSettings, [*SMALL, *words])


def foreseen(*words: str) -> tuple[str, ...]:
    assert SHAPES.foreseen is not None
    factors, shape = SHAPES.foreseen(settings(*words))
    assert shape == (3, 16, 16)
    return factors.names


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ("rotation", "color")),
        (["factors=[rotation,floor,light]"], ("rotation", "floor", "light")),
        (["translation=true"], ("rotation", "color", "translation")),
        (["translation=true", "factors=[rotation,floor,light,translation]"], ("rotation", "floor", "light", "translation")),
        (["grid={color:2,rotation:3}"], ("rotation", "color")),
        (["grid={light:2,floor:2}"], ("floor", "light")),
        (["grid={light:2,floor:2}", "factors=[floor,light]"], ("floor", "light")),
        (["grid={color:2}"], ("color",)),
        (["grid={azimuth:2,scale:2,translation:2}"], ("translation", "scale", "azimuth")),
    ],
)
def test_the_factors_are_known_before_rendering_and_are_those_of_the_data(
    in_folder: Path, words: list[str], names: tuple[str, ...]
) -> None:
    assert foreseen(*words) == names
    data = open_data(settings("views=3", *words), progress=False)
    assert data.train.factors.names == names and data.val.factors.names == names
    batch = data.train.draw(torch.arange(4), torch.Generator().manual_seed(0))
    assert batch.action.shape == (4, data.train.factors.width)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grid={rotation:2,color:2}", "factors=[rotation,floor,light]"], "both hues change together.*render a grid of floor and light"),
        (["grid={rotation:2,color:2}", "factors=[rotation]"], "has the factors rotation, color, in this order"),
        (["grid={rotation:2,floor:2}", "factors=[rotation,color]"], "has the factors rotation, floor, in this order"),
        (["grid={pose:2}"], "unknown factor 'pose'"),
        (["factors=[rotation,light]"], "does not divide the latents"),
    ],
)
def test_factors_that_a_grid_cannot_give_are_refused_before_and_after_rendering(in_folder: Path, words: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        foreseen(*words)
    if "grid={pose:2}" not in words:
        with pytest.raises(SettingsError, match=message):
            open_data(settings(*words), progress=False)


def test_a_grid_store_opens_by_its_folder_as_any_other(in_folder: Path) -> None:
    data = open_data(settings("grid={rotation:3,color:2}"), progress=False)
    folder = Path("datasets/shapes-2classes-2+1objects-grid-rotation3-color2-16px-seed0")
    assert Path(data.description["path"]).samefile(folder)
    again = open_data(settings(f"data_dir={folder}"), progress=False)
    assert again.description["fingerprint"] == data.description["fingerprint"]
    assert isinstance(again.train.views, Views) and isinstance(data.train.views, Views)
    np.testing.assert_array_equal(again.train.views.images, data.train.views.images)
    store = open_store(folder)
    assert store.manifest["source"]["grid"] == {"rotation": 3, "color": 2}
    with pytest.raises(SettingsError, match="both hues change together"):
        open_data(settings(f"data_dir={folder}", "factors=[rotation,floor,light]"), progress=False)
    # The same words, in any order, find the same store; other counts make another.
    before = (folder / "manifest.json").stat().st_mtime_ns
    open_data(settings("grid={color:2,rotation:3}"), progress=False)
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    open_data(settings("grid={rotation:2,color:3}"), progress=False)
    assert len(list(Path("datasets").iterdir())) == 2


def test_a_report_says_the_grid(in_folder: Path) -> None:
    assert SHAPES.about is not None
    source = open_data(settings("grid={rotation:3,color:2}"), progress=False).description["source"]
    assert SHAPES.about(source) == "2 classes × 2 training and 1 validation objects × 6 views, 3 rotation × 2 color"
    plain = open_data(settings("views=3"), progress=False).description["source"]
    assert SHAPES.about(plain) == "2 classes × 2 training and 1 validation objects × 3 views"


def test_a_grid_is_rendered_and_checked_from_the_command_line(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["grid={rotation:2,floor:2,light:2}", "resolution=16", "classes=2", "objects=2", "val_objects=1", "workers=1", "progress=false"]
    assert main(["data", "shapes", "datasets/x", *words]) == 0
    assert "8 views each" in capsys.readouterr().out
    assert main(["data", "check", "datasets/x", "workers=1", "progress=false"]) == 0
    out = capsys.readouterr().out
    assert "rotation (4), floor (1), light (1)" in out and "no fault found" in out
    # The published layout holds rotation and color, no other factors.
    assert main(["data", "shapes", "y", "layout=folder", *words]) != 0
    assert "pack it into a store instead" in capsys.readouterr().err
    assert main(["data", "shapes", "z", "layout=folder", "grid={rotation:2,color:2}", *words[1:]]) == 0
    assert main(["data", "check", "z", "workers=1", "progress=false"]) == 0
    assert len(list(Path("z").glob("chair/train-00000/image_*.png"))) == 4


@pytest.mark.parametrize("words", [["views=3"], ["views=3", "translation=true"], ["grid={rotation:3,floor:2}"]])
def test_poses_that_training_never_saw_are_rendered_when_they_are_asked_for(in_folder: Path, words: list[str]) -> None:
    data = open_data(settings(*words), progress=False)
    assert len(list(Path("datasets").iterdir())) == 1
    unseen = data.split("ood")
    folder = Path(data.description["path"])
    assert folder.with_name(f"{folder.name}-ood").is_dir()
    assert isinstance(unseen.views, Views) and isinstance(data.val.views, Views)
    assert unseen.factors == data.val.factors and list(unseen.views.item_names) == list(data.val.views.item_names)
    raw, seen = unseen.views.raw_latents, data.val.views.raw_latents
    assert raw is not None and seen is not None
    np.testing.assert_allclose(np.abs(raw[..., :3]) - np.abs(seen[..., :3]), np.pi / 2)
    np.testing.assert_array_equal(raw[..., 3:], seen[..., 3:])
    assert (unseen.views.images != data.val.views.images).any()
    # By the store's folder as well, without rendering it again.
    before = (folder.with_name(f"{folder.name}-ood") / "manifest.json").stat().st_mtime_ns
    again = open_data(settings(f"data_dir={folder}"), progress=False).split("ood")
    assert again.views.num_items == unseen.views.num_items
    assert (folder.with_name(f"{folder.name}-ood") / "manifest.json").stat().st_mtime_ns == before


def test_moved_objects_are_those_without_translation_elsewhere(in_folder: Path) -> None:
    still, moved = (open_data(settings("views=3", *words), progress=False).train.views for words in ([], ["translation=true"]))
    assert isinstance(still, Views) and isinstance(moved, Views)
    np.testing.assert_array_equal(moved.latents[..., :6], still.latents)
    assert moved.latents.shape[-1] == 9 and (moved.images != still.images).any()
    assert SHAPES.about is not None
    assert SHAPES.about(open_store(next(Path("datasets").glob("*-translation-*"))).manifest["source"]).endswith("3 views, moved")
    with pytest.raises(SettingsError, match=r"translation=true moves every view by itself, and there is a grid"):
        open_data(settings("translation=true", "grid={rotation:2,color:2}"), progress=False)


@pytest.mark.filterwarnings("ignore:the variance share")
@pytest.mark.parametrize("words", [["translation=true"], ["grid={rotation:2,floor:2}"]])
def test_a_run_on_shapes_is_evaluated_there_with_factor_sensitivity(in_folder: Path, words: list[str]) -> None:
    tiny = [
        "batch_size=8",
        "block_size=8",
        "backbone=resnet_compact",
        "n_embd=16",
        "n_layer=1",
        "n_head=2",
        "projection_dim=16",
        "epochs=1",
    ]
    views = [] if "grid" in words[0] else ["views=3"]
    more = ["objects=4", "val_objects=2", "progress=false", "run_dir=run"]
    assert main(["train", *SMALL, *tiny, *views, *words, *more]) == 0
    assert main(["evaluate", "geometry", "run", "split=ood", "progress=false", "sensitivity_items=2"]) == 0
    rows = [row for row in read_results(Path("run"))[1] if row.split == "ood"]
    factors = {"rotation", "floor"} if "grid" in words[0] else {"rotation", "color", "translation"}
    assert {row.factor for row in rows if row.metric == "sensitivity"} == factors


def test_numbers_of_one_factor_are_redrawn_from_the_ranges_of_the_split() -> None:
    generator = np.random.default_rng(0)
    for ood in (False, True):
        source = ShapesSource(classes=2, objects_per_class=1, val_objects_per_class=1, num_views=40, translation=True, ood=ood)
        raw = source.raw_latents("ood" if ood else "val", 0)
        turned = source.redrawn(raw, "rotation", generator)
        assert (turned[:, :3] != raw[:, :3]).all()
        np.testing.assert_array_equal(turned[:, 3:], raw[:, 3:])
        assert ((np.abs(turned[:, :3]) > np.pi / 2) == ood).all()
        moved = source.redrawn(raw, "translation", generator)
        np.testing.assert_array_equal(moved[:, :7], raw[:, :7])
        assert (np.abs(moved[:, 7:]) <= 0.5).all() and (moved[:, 7:] != raw[:, 7:]).all()
