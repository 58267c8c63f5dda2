"""Runs whose encoder is frozen: what is trained, what is stored, and what stands in the checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import contextssl
from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.feature_store import FEATURES
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.frozen_features import banks_of
from contextssl.records.results import read_results
from contextssl.training.encoder_start import normalising
from contextssl.training.run import train
from tests.listed import write_pairs
from tests.sources import write_photos
from tests.training.runs import tiny_settings, toy_data

# Tiny data hold little, and are too few for some numbers; the commands say so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
# fmt: off
SHAPES = ["dataset=shapes", "classes=2", "objects=6", "val_objects=3", "views=4", "resolution=16", "backbone=resnet_compact"]
SMALL = [
    "projection_dim=8", "width=16", "n_layer=1", "n_head=2", "block_size=8", "epochs=1", "warmup_epochs=0", "batch_size=6", "val_pairs=4",
    "eval_ctxt=[0,2]", "accelerator=cpu",
]
# fmt: on
QUIET = ["progress=false", "accelerator=cpu"]
OWN = """
from torch import nn

def encoder():
    made = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 20))
    made.num_features = 20
    return made
"""


def test_the_predictor_alone_is_trained_and_the_checkpoint_encodes_images(in_folder: Path) -> None:
    data = toy_data(in_folder / "store")
    run = train(tiny_settings(freeze=True, run_dir="run", features_dir="features"), data=data)
    model = contextssl.load(run)
    views = data.train.views
    items, shown = torch.arange(24).repeat_interleave(6), torch.arange(6).repeat(24)
    images = views.gather_views(items, shown)
    kept = np.load(in_folder / "features" / FEATURES)
    assert kept.dtype == np.float16 and kept.shape == (24 + 8, 6, model.feature_width)
    stored = torch.from_numpy(kept[items, shown]).float()
    # Features of order one, standardised.
    torch.testing.assert_close(model.encode(stored), model.encode(images), atol=0.02, rtol=0)
    torch.testing.assert_close(model.encode(stored).mean(0), torch.zeros(model.feature_width), atol=1e-3, rtol=0)
    spread = model.encode(stored).std(0, correction=0)
    # A unit that never fires stays at 0.
    assert bool((((spread - 1).abs() < 1e-3) | (spread == 0)).all()) and bool((spread > 0).any())
    pairs = (images[:3], torch.randn(3, 6), images[3:6])
    context = model.context(*pairs, environment="rotation")
    torch.testing.assert_close(model.embed(images, context), model.embed_features(model.encode(stored), context), atol=0.05, rtol=0.05)
    # The encoder is as it was drawn, the predictor is not.
    untrained = train(tiny_settings(freeze=True, run_dir="again", features_dir="features", epochs=1, learning_rate=1e-9), data=data)
    before = contextssl.load(untrained).state_dict()
    changed = {name for name, tensor in model.state_dict().items() if not torch.allclose(tensor, before[name], atol=1e-6)}
    assert changed and not [name for name in changed if name.startswith("encoder")]
    rows = [row for row in read_results(run)[1] if row.protocol == "features"]
    assert {(row.factor, row.head) for row in rows} == {("rotation", "ridge"), ("color", "ridge"), ("class", "ridge")}
    assert json.loads((run / "features.json").read_text())[0]["metric"] == rows[0].metric


@pytest.mark.long
def test_rendered_shapes_from_the_command_line_to_every_protocol(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SHAPES, "freeze=true", *SMALL, "run_dir=run"]) == 0
    assert "What the frozen features hold" in capsys.readouterr().out
    (store,) = (in_folder / "datasets").glob("*-features-*")
    before = (store / FEATURES).stat().st_mtime_ns
    quick = ["heads=[ridge]", "eval_ctxt=[0,2]", "contexts=1", "sensitivity_items=2", "progress=false", "accelerator=cpu"]
    for protocol in ("probe", "geometry", "retrieval", "context-sensitivity"):
        assert main(["evaluate", protocol, "run", *(word for word in quick if protocol == "geometry" or "sensitivity" not in word)]) == 0
    rows = read_results(in_folder / "run")[1]
    assert {row.protocol for row in rows} == {"online", "features", "probe", "geometry", "retrieval", "context-sensitivity"}
    assert [row for row in rows if row.metric == "sensitivity"], "views were rendered anew, and encoded as images"
    assert (store / FEATURES).stat().st_mtime_ns == before
    assert main(["report", "run"]) == 0


@pytest.mark.parametrize("method", ["conditional", "simclr+"])
def test_other_methods_with_a_predictor(method: str, in_folder: Path) -> None:
    run = train(tiny_settings(freeze=True, method=method, epochs=1, run_dir="run"), data=toy_data(in_folder / "store"))
    model = contextssl.load_any(run)
    assert model.embed_features(model.encode(torch.randn(5, model.feature_width))).shape == (5, 16)
    assert [*(in_folder / "datasets").glob("own-features-*")], "data of one's own have no folder to lie next to"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "simclr"}, "freeze=true trains what follows the encoder, and the features of method=simclr are the encoder's own"),
        ({"dataset": "adult"}, "freeze=true stores features of images, and dataset=adult is a table: leave freeze out"),
    ],
)
def test_what_cannot_be_frozen_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        train(tiny_settings(freeze=True, **given))


def features_of(run: Path) -> Path:
    """The store of features next to the images that a run was trained on."""
    path = Path(read_results(run)[0]["data"]["path"])
    (found,) = path.parent.glob(f"{path.name}-features-*")
    return found


@pytest.mark.parametrize("context", ["actions", "examples"])
def test_photos_have_fixed_versions(context: str, in_folder: Path) -> None:
    pytest.importorskip("kornia")
    write_photos(in_folder / "photos")
    words = ["dataset=images", "data_dir=photos", "factors=[color,rotate]", "resolution=16", "freeze=true", f"context={context}"]
    few = ["pairs_per_item=2", "batch_size=8", "frozen_views=4", "eval_views=4"]
    assert main(["train", *words, *[word for word in SMALL if "batch_size" not in word], *few, "run_dir=run"]) == 0
    store = features_of(in_folder / "run")
    features, latents = np.load(store / FEATURES), np.load(store / "latents.npy")
    assert features.shape[:2] == latents.shape[:2] == (24, 4)
    # The naive oracle: each stored row is what the model makes of the version that its latents say.
    model = contextssl.load(in_folder / "run")
    settings = settings_from("train", TrainSettings, [*words, *few])
    data = open_data(settings)
    for split, (start, stop) in json.loads((store / "manifest.json").read_text())["splits"].items():
        bank = banks_of(data, settings)[split]
        items, shown = torch.arange(stop - start).repeat_interleave(4), torch.arange(4).repeat(stop - start)
        assert torch.equal(torch.from_numpy(latents[start:stop]).flatten(0, 1), bank.gather_latents(items, shown))
        encoded = model.encode(bank.gather_views(items, shown))
        stored = model.encode(torch.from_numpy(features[start:stop]).flatten(0, 1).float())
        torch.testing.assert_close(stored, encoded, atol=0.02, rtol=0.02)
    assert main(["evaluate", "geometry", "run", "eval_ctxt=[0,2]", "contexts=1", "sensitivity_items=2", *QUIET]) == 0
    assert main(["evaluate", "context-sensitivity", "run", "eval_ctxt=[2]", "contexts=1", *QUIET]) == 0


def test_listed_pairs_are_encoded_as_they_are(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(in_folder / "mine")
    few = ["pairs_per_item=2", "batch_size=16", "resolution=16"]
    words = ["dataset=pairs", "data_dir=mine", "freeze=true", *[word for word in SMALL if "batch_size" not in word], *few]
    assert main(["train", *words, "run_dir=run"]) == 0
    assert "ranks of partners, held-out items" in capsys.readouterr().out
    rows = [row for row in read_results(in_folder / "run")[1] if row.protocol == "features" and row.metric == "mrr"]
    assert {row.factor for row in rows} == {"same_colour", "same_place"} and all(row.floor for row in rows)
    assert main(["evaluate", "all", "run", "eval_ctxt=[0,2]", *QUIET]) == 0
    evaluated = [row for row in read_results(in_folder / "run")[1] if row.protocol == "partners" and row.representation == "feature"]
    for row in rows:
        (same,) = [each.mean for each in evaluated if (each.metric, each.factor) == ("mrr", row.factor)]
        assert same == pytest.approx(row.mean), "the same views, the same features"


def test_a_stopped_run_resumes_to_the_same_weights_without_encoding_again(in_folder: Path) -> None:
    words = ["train", *SHAPES, "freeze=true", *[word for word in SMALL if "epochs" not in word], "warmup_epochs=0", "epochs=2", *QUIET[:1]]
    assert main([*words, "max_minutes=0.00001", "run_dir=a"]) == 0
    store = features_of(in_folder / "a")
    before = (store / "manifest.json").stat().st_mtime_ns
    assert main(["train", "resume=a", "progress=false"]) == 0
    assert main([*words, "run_dir=b"]) == 0
    assert (store / "manifest.json").stat().st_mtime_ns == before
    a, b = (contextssl.load(in_folder / name).state_dict() for name in "ab")
    for name, tensor in a.items():
        torch.testing.assert_close(tensor, b[name], atol=1e-5, rtol=1e-4, msg=name)


def test_the_encoder_of_another_run(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", *[word for word in SHAPES if "backbone" not in word], *SMALL, "progress=false"]
    assert main([*words, "backbone=resnet_compact", "pool=flatten", "feature_norm=batch", "run_dir=first"]) == 0
    assert main([*words, "freeze=true", "encoder_from=first", "run_dir=second"]) == 0
    # And from one that is itself frozen; none of their files is needed to load it.
    assert main([*words, "freeze=true", "encoder_from=second", "run_dir=third"]) == 0
    first = contextssl.load("first")
    (in_folder / "first").rename(in_folder / "gone")
    third = contextssl.load("third")
    weights = third.encoder.state_dict()
    assert all(torch.equal(weights[f"encoder.{name}"], tensor) for name, tensor in first.encoder.state_dict().items())
    assert torch.equal(third.image_mean, first.image_mean)  # type: ignore[arg-type]
    assert read_results(in_folder / "third")[0]["settings"]["backbone"] == "resnet_compact"
    assert main([*words, "freeze=true", "encoder_from=second", "resolution=20", "run_dir=fourth"]) == 2
    assert "encoder_from=second takes views of 3 × 16 × 16, and these are 3 × 20 × 20: say resolution=16" in capsys.readouterr().err
    assert not [*Path("datasets").glob("*20px*")], "it is said before anything is rendered"
    # Not frozen, it starts there and learns on.
    assert main([*words, "encoder_from=second", "run_dir=fifth"]) == 0
    name = "0.conv1.weight"
    fifth = contextssl.load("fifth").encoder.state_dict()[name]
    assert not torch.equal(fifth, weights[f"encoder.{name}"]) and torch.allclose(fifth, weights[f"encoder.{name}"], atol=0.05)


def test_another_encoders_store_is_refused(in_folder: Path) -> None:
    data = toy_data(in_folder / "store")
    train(tiny_settings(freeze=True, run_dir="run", features_dir="features", epochs=1), data=data)
    with pytest.raises(DataError, match="features holds features of another encoder: name another folder by features_dir"):
        train(tiny_settings(freeze=True, run_dir="other", features_dir="features", epochs=1, seed=1), data=data)
    with pytest.raises(DataError, match="features holds features of other views"):
        train(tiny_settings(freeze=True, run_dir="other", features_dir="features"), data=replace(data, description={"fingerprint": "b"}))
    assert not (in_folder / "other").exists()


def test_an_encoder_of_the_users_own(in_folder: Path) -> None:
    (in_folder / "mine_frozen.py").write_text(OWN)
    words = ["train", *SHAPES, *SMALL, "freeze=true", "encoder_factory=mine_frozen:encoder", "run_dir=run", "progress=false"]
    assert main(words) == 0
    assert main(["evaluate", "geometry", "run", "encoder_factory=mine_frozen:encoder", "eval_ctxt=[0]", "sensitivity_items=0", *QUIET]) == 0
    rows = [row for row in read_results(in_folder / "run")[1] if row.protocol == "features"]
    assert {row.factor for row in rows} == {"rotation", "color", "class"}


def test_pretrained_weights_know_images_by_their_own_statistics(in_folder: Path) -> None:
    data = toy_data(in_folder / "store")
    settings = tiny_settings(freeze=True, pretrained=True, backbone="resnet18")
    assert normalising(data, settings, None, {}).image_mean == [0.485, 0.456, 0.406]
    assert normalising(data, replace(settings, freeze=False), None, {}) is data
    assert normalising(data, replace(settings, backbone="resnet_compact"), None, {}) is data
