"""Which views are shown: rendered on one grid, of stored data, of the user's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contextssl.cli import main
from contextssl.config.explorer_settings import ExploreSettings
from contextssl.errors import CheckpointError, DataError, InputError
from contextssl.explorer.answers import Explorer
from contextssl.explorer.opening import open_explorer
from contextssl.explorer.page_data import page_data
from contextssl.explorer.shown_views import grid_of, spread, views_of_bank, views_of_images
from contextssl.factors import COLOR, FLOOR, LIGHT, ROTATION, SCALE, FactorSpace
from tests.evaluation.tiny import views_of
from tests.explorer.tiny import TRAIN
from tests.listed import write_pairs
from tests.sources import ToySource, toy_store, write_photos
from tests.test_cli import TINY

OF_SHAPES = ("dataset", "classes", "objects", "val_objects", "grid", "env_ratio")


def test_so_many_of_so_many_evenly() -> None:
    assert spread(50, 3) == [0, 24, 49] and spread(3, 10) == [0, 1, 2] and spread(1, 5) == [0]


@pytest.mark.parametrize(
    ("factors", "counts"),
    [((ROTATION, COLOR), [6, 6]), ((ROTATION, FLOOR, LIGHT), [3, 3, 3]), ((ROTATION,), [12]), ((ROTATION, COLOR, SCALE), [3, 3, 3])],
)
def test_a_grid_has_about_as_many_values_of_each_factor(factors: tuple, counts: list[int]) -> None:
    grid = grid_of(FactorSpace(factors))
    assert list(grid.counts.values()) == counts and grid.factors.names == tuple(factor.name for factor in factors)


def test_stored_views_are_those_of_whole_items() -> None:
    bank = views_of(6, 5)
    shown = views_of_bank(bank, "val", 10)
    assert len(shown) == 10 and len(set(shown.items.tolist())) == 2 and shown.latents is not None
    for row, (item, view) in enumerate((item, view) for item in (0, 5) for view in range(5)):
        np.testing.assert_array_equal(shown.images[row].permute(1, 2, 0).numpy(), bank.images[item, view])
        assert shown.captions[row].startswith(bank.class_names[int(bank.labels[item])])


def test_rendered_objects_share_their_poses_and_colours(explorer: Explorer) -> None:
    shown = explorer.shown
    assert len(shown) == 72 and shown.latents is not None and shown.factors is not None
    for name in ("rotation", "color"):
        block = shown.latents[:, shown.factors.slice(name)]
        assert len(np.unique(block.numpy(), axis=0)) == 6
        torch.testing.assert_close(block[:36], block[36:], atol=0, rtol=0)
    assert not torch.equal(shown.images[:36], shown.images[36:])
    assert [len(kind.images) for kind in explorer.kinds] == [8, 8, 8] and explorer.most_pairs == 8
    assert "rendered views of 2 objects that training never saw: 6 rotations × 6 colours" in explorer.about


def test_a_slider_renders_the_same_object_anew(explorer: Explorer) -> None:
    scenes = explorer.scenes
    assert scenes is not None
    assert [slider.name for slider in scenes.sliders] == ["euler x", "euler y", "euler z", "floor hue", "light hue"]
    values = scenes.values(3)
    same = scenes.render(3, values)
    torch.testing.assert_close(same.image, explorer.shown.images[3], atol=0, rtol=0)
    assert explorer.shown.latents is not None
    torch.testing.assert_close(same.latents, explorer.shown.latents[3], atol=0, rtol=0)
    other = scenes.render(3, [*values[:3], (values[3] + 0.5) % 1, values[4]])
    assert not torch.equal(other.image, same.image) and torch.equal(other.latents[:4], same.latents[:4])
    with pytest.raises(InputError, match="floor hue is 2: it goes from 0 to 1"):
        scenes.render(3, [*values[:3], 2, values[4]])
    with pytest.raises(InputError, match="there are 2 values for 5 sliders"):
        scenes.render(3, [0.0, 0.0])
    with pytest.raises(InputError, match="floor hue is nan"):
        scenes.render(3, [*values[:3], float("nan"), values[4]])


def test_images_of_the_user_are_shown_with_their_folders(run: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", count=5)
    (tmp_path / "photos" / "cat" / "broken.png").write_bytes(b"no image")
    mine = open_explorer(ExploreSettings(model=str(run), images=str(tmp_path / "photos"), accelerator="cpu", progress=False))
    assert sorted(mine.shown.class_names) == ["cat", "dog"] and len(mine.shown) == 10 and mine.shown.images.shape[1:] == (3, 16, 16)
    assert mine.shown.latents is None and mine.scenes is None
    # The examples are the model's own all the same.
    assert [kind.name for kind in mine.kinds] == ["rotation", "color", "none"]
    assert len(views_of_images(tmp_path / "photos", (3, 8, 8), 4)) == 4
    (tmp_path / "one").mkdir()
    (tmp_path / "photos" / "dog" / "0.png").rename(tmp_path / "one" / "0.png")
    with pytest.raises(DataError, match=r"of the images in .*one 1 can be read: the explorer needs at least 2"):
        views_of_images(tmp_path / "one", (3, 8, 8), 4)


def test_a_run_whose_data_are_stored_is_shown_with_them(run: Path) -> None:
    stored = open_explorer(ExploreSettings(model=str(run), data_dir=str(run.parent / "store"), views=18, accelerator="cpu", progress=False))
    assert len(stored.shown) == 18 and stored.scenes is None and len(stored.kinds) == 3
    assert stored.about == "18 views of val items"


@pytest.mark.parametrize("data", ["photos", "pairs"])
# A tiny data set is too small for some numbers, and the commands say so.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_photos_and_listed_pairs_are_shown_with_their_own_examples(data: str, in_folder: Path) -> None:
    if data == "photos":
        write_photos(in_folder / "photos")
        words = ["dataset=images", "data_dir=photos", "factors=[color,rotate]", "env_ratio={color:0.4,rotate:0.4,none:0.2}"]
    else:
        (in_folder / "listed").mkdir()
        write_pairs(in_folder / "listed")
        words = ["dataset=pairs", "data_dir=listed"]
    assert main(["train", *words, *(word for word in TRAIN if not word.startswith(OF_SHAPES)), "run_dir=run"]) == 0
    shown = open_explorer(ExploreSettings(model="run", views=24, accelerator="cpu", progress=False))
    assert shown.scenes is None and len(shown.kinds) >= 2 and len(shown.shown) >= 2
    assert (shown.shown.latents is None) == (data == "pairs")
    given = page_data(shown)
    assert [kind["title"] for kind in given["kinds"]][:1] == (["same colour"] if data == "photos" else ["pairs of same_colour"])
    answer = shown.answer(shown.pairs_of([("e0a", "e0b")]), shown.query("v1"))
    assert answer.pairs == 1 and len(answer.after) == min(8, len(shown.shown) - 1)


def test_a_model_of_other_contexts_is_refused(tmp_path: Path) -> None:
    toy_store(tmp_path / "store", ToySource(num_views=6), resolution=16)
    assert main(["train", *TINY, f"data_dir={tmp_path / 'store'}", "resolution=16", f"run_dir={tmp_path / 'run'}"]) == 0
    with pytest.raises(CheckpointError, match="takes contexts of actions: the explorer shows pairs of views that count as the same"):
        open_explorer(ExploreSettings(model=str(tmp_path / "run"), accelerator="cpu", progress=False))
