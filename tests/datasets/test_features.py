"""Features of a user's own, with pairs of them or a table of factor values, through the command line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import contextssl
from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.views import Views
from contextssl.errors import ContextSSLError
from contextssl.records.results import read_results
from tests.listed import pairs_of_names

pytest.importorskip("pandas")

WIDTH = 12
# fmt: off
SMALL = [
    "epochs=2", "batch_size=16", "pairs_per_item=2", "projection_dim=8", "width=16", "n_layer=1", "n_head=2", "block_size=16", "val_pairs=8",
    "eval_ctxt=[0,4]", "log_interval=1", "accelerator=cpu", "progress=false",
]
# fmt: on
QUIET = ["progress=false", "accelerator=cpu"]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def written_table(folder: Path, items: int = 16, views: int = 5) -> dict[str, Any]:
    """Features that are a linear function of an angle, a shade and the item, in views.csv and embeddings.npy."""
    generator = np.random.default_rng(0)
    item = np.repeat(np.arange(items), views)
    angle, shade = generator.uniform(0, 90, len(item)), np.array(["dark", "light"])[generator.integers(0, 2, len(item))]
    numbers = np.stack([angle / 90, shade == "light", item % 4, item / items], axis=1).astype(np.float32)
    features = numbers @ generator.standard_normal((4, WIDTH)).astype(np.float32)
    np.save(folder / "embeddings.npy", features)
    columns = {"item": [f"object {number}" for number in item], "label": [f"kind {number % 2}" for number in item]}
    columns |= {"angle": angle.tolist(), "shade": shade.tolist()}
    with (folder / "views.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*columns], *zip(*columns.values(), strict=True)])
    return {"features": features, **columns}


def test_a_table_of_factor_values(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = written_table(in_folder)
    words = ["dataset=features", "features=embeddings.npy", "path=views.csv"]
    data = open_data(settings_from("train", TrainSettings, words))
    views = data.train.views
    assert isinstance(views, Views) and views.factors.names == ("angle", "shade") and views.class_names == ("kind 0", "kind 1")
    assert (data.train.num_items, data.val.num_items, views.num_views, data.view_shape) == (14, 2, 5, (WIDTH,))
    for row in range(3):
        item = int(str(views.item_names[row]).split()[1])
        expected = torch.from_numpy(written["features"][5 * item : 5 * item + 5])
        assert torch.equal(views.gather_views(torch.full((5,), row), torch.arange(5)), expected)
    angles = views.latents[..., 0]
    assert abs(angles.mean()) < 1e-5 and abs(angles.std() - 1) < 1e-5 and {*views.latents[..., 1:].reshape(-1).tolist()} == {0.0, 1.0}
    assert main(["train", *words, *SMALL, "run_dir=run"]) == 0
    assert capsys.readouterr().out.count("class accuracy by kNN") == 1
    about, rows = read_results(in_folder / "run")
    held = {row.factor: row.mean for row in rows if row.protocol == "features" and row.metric in ("r2_pooled", "accuracy")}
    assert held["angle"] > 0.8 and held["shade"] > 0.8, "they are nearly linear in features of unit length"
    assert about["data"]["kind"] == "features"
    model = contextssl.load("run")
    features = torch.from_numpy(written["features"])
    pairs = (features[:3], torch.zeros(3, 3), features[3:6])
    assert model.embed(features, model.context(*pairs, environment="angle")).shape == (80, 8)
    for protocol in ("geometry", "probe", "retrieval"):
        quick = [] if protocol == "geometry" else ["heads=[ridge]"]
        assert main(["evaluate", protocol, "run", "eval_ctxt=[0,4]", "contexts=1", *quick, *QUIET]) == 0
    assert main(["report", "run"]) == 0
    assert main(["evaluate", "unseen-transformations", "run", *QUIET]) == 2


def test_the_same_of_one_parquet_file_and_of_names(in_folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    written = written_table(in_folder)
    frame = pandas.DataFrame({**written, "features": list(written["features"])})
    frame.to_parquet("all.parquet")
    names = [f"row {row}" for row in range(80)]
    np.savez("named.npz", features=written["features"], names=names)
    shuffled = pandas.DataFrame({**{key: written[key] for key in ("item", "label", "angle", "shade")}, "name": names}).sample(
        frac=1, random_state=0
    )
    shuffled.to_csv("named.csv", index=False)
    found = [
        open_data(settings_from("train", TrainSettings, ["dataset=features", *words.split()])).train.views.digest()
        for words in ("features=embeddings.npy path=views.csv", "features=all.parquet", "features=named.npz path=named.csv")
    ]
    assert found[0] == found[1] == found[2]
    chosen = open_data(settings_from("train", TrainSettings, ["dataset=features", "features=all.parquet", "factors=[angle]"]))
    assert chosen.train.factors.names == ("angle",)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_listed_pairs_of_rows(kind: str, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, numbers = pairs_of_names()
    features = (numbers @ np.random.default_rng(0).standard_normal((3, WIDTH))).astype(np.float32)
    if kind == "npy":
        np.save("embeddings.npy", features)
    else:
        np.savez("embeddings.npz", features=features, names=[f"row {row}" for row in range(len(features))])
    called = str if kind == "npy" else "row {}".format
    with (in_folder / "pairs.csv").open("w", newline="") as file:
        listed = [[called(first), called(second), *rest] for first, second, *rest in rows]
        csv.writer(file).writerows([["first", "second", "environment", "item"], *listed])
    words = ["dataset=features", f"features=embeddings.{kind}", "path=pairs.csv", "context=examples"]
    assert main(["train", *words, *SMALL, "run_dir=run"]) == 0
    held = [row for row in read_results(in_folder / "run")[1] if row.protocol == "features" and row.metric == "mrr"]
    assert {row.factor for row in held} == {"same_colour", "same_place"}
    assert main(["evaluate", "all", "run", "eval_ctxt=[0,4]", *QUIET]) == 0
    assert {row.environment for row in read_results(in_folder / "run")[1] if row.protocol == "partners"} == {
        None,
        "same_colour",
        "same_place",
    }
    assert main(["report", "run"]) == 0
    model = contextssl.load("run")
    given = torch.from_numpy(features)
    assert model.embed(given, model.context(given[:4], target=given[4:8])).shape == (len(given), 8)
    capsys.readouterr()
    assert main(["train", *words, *SMALL, "weight_equiv_loss=1", "run_dir=other"]) == 2
    assert "weight_equiv_loss is 1: it reads factor values, which listed pairs have none of" in capsys.readouterr().err
    assert main(["train", *words[:3], *SMALL, "run_dir=other"]) == 2
    assert "context=actions needs actions, which listed pairs have none of: say context=examples" in capsys.readouterr().err


def test_items_with_more_rows_than_others_give_as_many_as_those(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written_table(in_folder)
    np.save("embeddings.npy", np.load("embeddings.npy")[:-2])
    lines = (in_folder / "views.csv").read_text().splitlines()
    (in_folder / "views.csv").write_text("\n".join(lines[:-2]) + "\n")
    words = ["dataset=features", "features=embeddings.npy", "path=views.csv"]
    assert open_data(settings_from("train", TrainSettings, words)).train.views.num_views == 3
    assert "items have 3 to 5 rows; the first 3 of each are used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"array": None}, "there is no file embeddings.npy: check the path"),
        ({"words": ["dataset=features", "path=views.csv"]}, "no features: give features=FILE, an .npy, .npz or .parquet file"),
        ({"words": ["dataset=features", "features=embeddings.npy"]}, "holds features alone: say what they are of by path=FILE"),
        ({"words": ["dataset=features", "features=views.csv"]}, "views.csv is no file of features by its name"),
        ({"words": ["dataset=features", "features=embeddings.npy", "path=none.csv"]}, "there is no file none.csv"),
        ({"array": np.zeros((80, 3), np.int64)}, r"holds int64 of shape \(80, 3\): features are floats \(rows, numbers\)"),
        ({"array": np.full((80, 3), np.nan)}, r"the features of row 0 \(0\) are not finite"),
        ({"array": np.zeros((79, 3))}, "views.csv has 80 rows for 79 features"),
        ({"array": np.zeros(80)}, r"embeddings.npy must hold one array \(rows, numbers\): it holds it \(80,\)"),
        ({"array": np.array([{}] * 80)}, "embeddings.npy is damaged, or holds no plain numbers"),
        ({"table": ("item,", "thing,")}, "views.csv has no column item: it says which rows are views of one item"),
        ({"table": ("object 3,kind 1", ",kind 1")}, "views.csv, row 15: item is missing"),
        ({"table": ("object 0,", "object x,")}, "the item object x has one row: pairs need two of each item"),
        ({"table": (",dark", ",")}, "shade is missing; fill it in, or remove the row"),
        ({"factors": "factors=[angel]"}, "factors holds 'angel', and views.csv has no such column: did you mean 'angle'"),
        ({"factors": "method=simclr"}, "dataset=features trains what follows the encoder, and the features of method=simclr"),
        ({"table": ("label,", "split,")}, "unknown split 'kind 0'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(change: dict[str, Any], said: str, in_folder: Path) -> None:
    written_table(in_folder)
    if "array" in change:
        (in_folder / "embeddings.npy").unlink()
        if change["array"] is not None:
            np.save("embeddings.npy", change["array"], allow_pickle=True)
    if "table" in change:
        text = (in_folder / "views.csv").read_text()
        old, new = change["table"]
        (in_folder / "views.csv").write_text(text.replace(old, new, 1))
    words = change.get("words", ["dataset=features", "features=embeddings.npy", "path=views.csv"])
    from contextssl.training.run import train

    settings = settings_from("train", TrainSettings, [*words, *SMALL, "run_dir=run", *filter(None, [change.get("factors")])])
    with pytest.raises(ContextSSLError, match=said) as caught:
        train(settings)
    assert "\n" not in str(caught.value) and not (in_folder / "run").exists()


def test_a_pair_of_a_row_that_is_not_there(in_folder: Path) -> None:
    written_table(in_folder)
    (in_folder / "pairs.csv").write_text("first,second,environment\n0,1,same\n0,99,other\n")
    words = ["dataset=features", "features=embeddings.npy", "path=pairs.csv", "context=examples"]
    with pytest.raises(ContextSSLError, match="line 3: no row of the features is called 99: name one of theirs, or remove the line"):
        open_data(settings_from("train", TrainSettings, words))


def test_features_are_checked_before_training(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written_table(in_folder)
    words = ["data", "check", "dataset=features", "features=embeddings.npy", "path=views.csv"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "train: 14, val: 2" in said and "angle (1), shade (2)" in said
    values = np.load("embeddings.npy")
    values[3, 2] = np.nan
    np.save("embeddings.npy", values)
    assert main(words) == 2
    assert "embeddings.npy: the features of row 3 (3) are not finite" in capsys.readouterr().err
    assert main(["data", "check", "features=embeddings.npy"]) == 2
    assert "go with dataset=features" in capsys.readouterr().err
