"""Runs whose encoder is frozen: what is trained, what is stored, and what stands in the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import contextssl
from contextssl.cli import main
from contextssl.data.feature_store import FEATURES
from contextssl.errors import SettingsError
from contextssl.records.results import read_results
from contextssl.training.run import train
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
