"""3DIEBench and 3DIEBench-T from their folders, and 3DIEBench-OOD as a further split, through the commands that a user gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.store import open_store
from contextssl.data.views import Views
from contextssl.data_set import DATA_SETS
from contextssl.errors import DataError, SettingsError
from contextssl.records.results import read_results

OBJECTS = ("classes=2", "objects=3", "val_objects=2", "resolution=16", "workers=1", "progress=false", "layout=folder")
TINY = ("batch_size=8", "block_size=8", "backbone=resnet_compact", "n_embd=16", "n_layer=1", "n_head=2", "projection_dim=16")


def rendered(out: str, *words: str) -> Path:
    assert main(["data", "shapes", out, *OBJECTS, *words]) == 0
    return Path(out)


def settings(*words: str) -> TrainSettings:
    return settings_from("train", TrainSettings, ["dataset=3diebench", "resolution=16", "workers=0", *words])


def test_a_folder_of_ten_latents_has_a_third_factor_before_and_after_packing(in_folder: Path) -> None:
    folder = rendered("t", "views=4", "translation=true")
    foreseen = DATA_SETS.find("3diebench").foreseen
    assert foreseen is not None
    assert foreseen(settings(f"data_dir={folder}"))[0].names == ("rotation", "color", "translation")
    data = open_data(settings(f"data_dir={folder}"), progress=False)
    assert data.train.factors.names == ("rotation", "color", "translation") and data.train.factors.width == 9
    assert isinstance(data.train.views, Views) and data.train.views.raw_latents is not None
    offsets = data.train.views.raw_latents[..., 7:]
    assert offsets.shape == (6, 4, 3) and np.abs(offsets).max() <= 0.5 and np.abs(offsets).std() > 0.1
    # The store by itself, and the numbers divided otherwise.
    store = open_data(settings(f"data_dir={folder / 'packed-16'}", "factors=[rotation,floor,light,translation]"), progress=False)
    assert store.train.factors.names == ("rotation", "floor", "light", "translation")
    with pytest.raises(SettingsError, match=r"\[rotation,color,translation\] or \[rotation,floor,light,translation\]"):
        foreseen(settings(f"data_dir={folder}", "factors=[rotation,color]"))


def test_one_view_of_seven_latents_among_those_of_ten_is_named(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = rendered("t", "views=4", "translation=true")
    odd = folder / "table" / "val-00001" / "latent_2.npy"
    np.save(odd, np.zeros(7))
    with pytest.raises(DataError, match=f"{odd.name} holds 7 numbers and the first object's 10"):
        open_data(settings(f"data_dir={folder}"), progress=False)
    assert main(["data", "check", str(folder), "workers=1", "progress=false"]) == 1
    out = capsys.readouterr().out
    assert "translation (3)" in out and "holds 7 numbers" in out


@pytest.mark.filterwarnings("ignore:the variance share")
def test_a_run_is_evaluated_in_poses_that_training_never_saw(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, ood = rendered("t", "views=4", "translation=true"), rendered("ood", "views=2", "translation=true", "split=ood")
    # The published archive holds the objects and no lists.
    shutil.rmtree(ood / "meta")
    words = ["dataset=3diebench", f"data_dir={folder}", "resolution=16", "epochs=1", "workers=0", "progress=false", *TINY]
    assert main(["train", *words, "run_dir=run"]) == 0
    assert main(["evaluate", "equivariance", "run", "split=ood", "epochs=1", "progress=false"]) == 2
    assert "no split 'ood'" in capsys.readouterr().err
    assert main(["evaluate", "all", "run", "split=ood", f"ood_dir={ood}", "epochs=1", "sensitivity_items=0", "progress=false"]) == 0
    rows = [row for row in read_results(Path("run"))[1] if row.split == "ood"]
    assert {row.protocol for row in rows} >= {"equivariance", "retrieval", "probe", "geometry"}
    assert {row.factor for row in rows if row.metric == "r2_pooled"} == {"rotation", "color", "translation"}
    assert "ood split" in capsys.readouterr().out
    store = open_store(ood / "packed-16")
    assert list(store) == ["ood"] and store["ood"].images.shape[:2] == (4, 2)
    angles = np.abs(store["ood"].raw_latents[..., :3])  # type: ignore[index]
    assert ((angles >= np.pi / 2) & (angles <= np.pi)).all()
    # From the store as well, and the report has the split's numbers.
    assert main(["evaluate", "equivariance", "run", "split=ood", f"ood_dir={ood / 'packed-16'}", "epochs=1", "progress=false"]) == 0
    assert main(["report", "run", "split=ood"]) == 0


def test_where_none_of_the_objects_is_one_sentence_says_so(in_folder: Path) -> None:
    folder = rendered("t", "views=2")
    Path("elsewhere").mkdir()
    data = open_data(settings(f"data_dir={folder}", "ood_dir=elsewhere"), progress=False)
    with pytest.raises(
        DataError, match=r"none of the 4 objects that are evaluated, such as chair/val-00000, has a folder in elsewhere nor in"
    ):
        data.split("ood")


def test_views_with_other_factors_are_refused(in_folder: Path) -> None:
    folder, ood = rendered("t", "views=2", "translation=true"), rendered("ood", "views=2", "split=ood")
    data = open_data(settings(f"data_dir={folder}", f"ood_dir={ood}"), progress=False)
    with pytest.raises(DataError, match=r"views with the factors rotation, color, and .* with rotation, color, translation"):
        data.split("ood")


def test_objects_that_are_missing_there_are_left_out(in_folder: Path) -> None:
    """The published test set need not hold every object of the validation split."""
    folder, ood = rendered("t", "views=2"), rendered("3DIEBench", "views=3", "split=ood")
    shutil.rmtree(ood / "table" / "val-00000")
    for place in (ood, Path()):
        pairs = open_data(settings(f"data_dir={folder}", f"ood_dir={place}"), progress=False).split("ood")
        assert isinstance(pairs.views, Views)
        assert list(pairs.views.item_names) == ["chair/val-00000", "chair/val-00001", "table/val-00001"]
        assert pairs.views.labels.tolist() == [0, 0, 1] and pairs.views.num_views == 3
