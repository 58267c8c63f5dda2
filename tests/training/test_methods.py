"""Baselines through the same commands as ContextSSL: they train, resume, load, and are evaluated by every protocol."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import contextssl
from contextssl import checkpoints
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.data.dataset import Data
from contextssl.data.environments import environments_of
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import EVERYTHING, PairBatch, ViewPairs
from contextssl.data.views import Views
from contextssl.errors import CheckpointError, SettingsError
from contextssl.evaluation.evaluate import evaluate
from contextssl.evaluation.evaluated import Evaluated
from contextssl.method import METHODS
from contextssl.models.baselines.baseline import Baseline
from contextssl.models.conditional import Conditional
from contextssl.models.contextssl import ContextSSL
from contextssl.records.results import ResultRow, read_results
from contextssl.report import write_report
from contextssl.training.run import train
from tests.evaluation.tiny import FACTORS
from tests.training.runs import tiny_settings, toy_data

BASELINES = [name for name in METHODS.built_in if name not in ("contextssl", "conditional")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return toy_data(tmp_path_factory.mktemp("toy") / "store", items={"train": 24, "val": 60})


def evaluated(run: Path, data: Data) -> list[ResultRow]:
    settings = EvaluateSettings(
        heads=["ridge", "knn"],
        bottleneck=[0.0, 0.3],
        contexts=2,
        accelerator="cpu",
        precision="32-true",
        cache=False,
        progress=False,
        sensitivity_items=0,
    )
    content = checkpoints.read(run / "checkpoints" / "last.ckpt")
    trained, model = checkpoints.settings_of(content), contextssl.load_any(run)
    mix = environments_of(trained, model.factors)
    evaluate(settings, evaluated=Evaluated(model, data, run, mix.environments, trained))
    return read_results(run)[1]


@pytest.mark.parametrize("method", BASELINES)
def test_a_baseline_trains_loads_and_is_evaluated(method: str, data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(method=method, pairs_per_item=2, projector_width=16, run_dir=str(tmp_path / "run")), data=data)
    assert read_results(run)[0]["settings"]["method"] == method
    assert (read_results(run)[0]["steps"] == 0) is (method == "random")
    model = contextssl.load_any(run)
    assert isinstance(model, ContextSSL if METHODS.find(method).contexts else Baseline) and not model.reads_latents
    rows = [row for row in evaluated(run, data) if row.protocol != "online"]
    assert {row.protocol for row in rows} == {"equivariance", "retrieval", "probe", "geometry"}
    assert {row.representation for row in rows} == {"feature", "embedding"}
    lengths = {row.length for row in rows if row.representation == "embedding"}
    assert lengths == ({0, 2, 6} if METHODS.find(method).contexts else {0})
    assert not [row for row in rows if row.head == "auxiliary"]


def test_a_run_with_a_moving_average_resumes_to_the_same_weights(data: Data, tmp_path: Path) -> None:
    whole = train(tiny_settings(method="byol", projector_width=16, run_dir=str(tmp_path / "whole")), data=data)
    half = train(tiny_settings(method="byol", projector_width=16, save_interval=2, run_dir=str(tmp_path / "half")), data=data)
    (half / "checkpoints" / "last.ckpt").unlink()
    (half / "checkpoints" / "epoch=0001.ckpt").rename(half / "checkpoints" / "last.ckpt")
    train(tiny_settings(resume=str(half)), data=data)
    first, second = (checkpoints.read(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (whole, half))
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    assert any("followed" in key for key in first)


def test_what_a_checkpoint_called_otherwise_is_known(data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(method="byol", epochs=1, projector_width=16, ema_momentum=0.75, run_dir=str(tmp_path / "run")), data=data)
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    settings = content[checkpoints.RECIPE]["settings"]
    settings["momentum"] = settings.pop("ema_momentum")
    assert checkpoints.settings_of(content).ema_momentum == 0.75
    torch.save(content, tmp_path / "old.ckpt")
    assert contextssl.load_any(tmp_path / "old.ckpt").terms[0].followed.momentum == 0.75  # type: ignore[union-attr,index]


class ShuffledPairs(ViewPairs):
    """Every target, and every label, of another item: there is nothing to be learnt."""

    def draw(self, items: Tensor, generator: torch.Generator, share: slice = EVERYTHING, held: Tensor | None = None) -> PairBatch:
        batch = super().draw(items, generator, share, held)
        order = torch.randperm(len(items), generator=generator)
        return replace(batch, target=batch.target[order], labels=batch.labels[torch.randperm(len(items), generator=generator)])


def loud_views(items: int, seed: int) -> Views:
    """Views whose class is faint and whose factors are loud: whoever is to know the class must learn to pass over the factors."""
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    factors, classes, thing = shared.normal(size=(6, 192)), shared.normal(size=(4, 192)), own.normal(size=(items, 1, 192))
    labels, latents = np.arange(items) % 4, own.normal(size=(items, 8, 6))
    images = 128 + 12 * latents @ factors + 6 * classes[labels][:, None] + 3 * thing
    return Views(
        images=images.clip(0, 255).astype(np.uint8).reshape(items, 8, 8, 8, 3),
        latents=latents.astype(np.float32),
        labels=labels,
        factors=FACTORS,
        class_names=("a", "b", "c", "d"),
        item_names=[str(index) for index in range(items)],
    )


def accuracy_of(method: str, pairs: type[ViewPairs], folder: Path) -> float:
    """Of the class by neighbours of features, after a minute's worth of steps on the CPU."""
    train_views, val_views = loud_views(120, 1), loud_views(60, 2)
    data = Data(pairs(train_views), ViewPairs(val_views), (3, 8, 8), (0.5,) * 3, (0.25,) * 3)
    settings = tiny_settings(
        method=method,
        epochs=30,
        batch_size=30,
        projector_width=32,
        learning_rate=1e-2,
        log_interval=30,
        val_pairs=240,
        run_dir=str(folder / method),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.BatchNorm1d(32, affine=False))
        encoder.num_features = 32  # type: ignore[assignment]
    run = train(settings, data=data, encoder=encoder)
    rows = [row for row in read_results(run)[1] if row.metric == "accuracy" and row.representation == "feature"]
    return rows[0].mean


@pytest.mark.long
def test_whoever_learns_beats_nothing_and_shuffled_pairs_teach_nothing(tmp_path: Path) -> None:
    random, supervised = (accuracy_of(method, ViewPairs, tmp_path) for method in ("random", "supervised"))
    learnt = {method: accuracy_of(method, ViewPairs, tmp_path) for method in ("simclr", "vicreg")}
    shuffled = {method: accuracy_of(method, ShuffledPairs, tmp_path / "shuffled") for method in ("simclr", "vicreg", "supervised")}
    print(random, supervised, learnt, shuffled)
    assert supervised >= max(learnt.values()) and min(learnt.values()) > random + 0.1
    assert max(shuffled.values()) < random + 0.1


def test_only_who_follows_one_action_has_a_condition(data: Data, tmp_path: Path) -> None:
    factors = data.train.factors
    assert [e.name for e in environments_of(tiny_settings(method="sie"), factors).environments] == ["rotation+color"]
    assert [e.name for e in environments_of(tiny_settings(method="sie", condition="color"), factors).environments] == ["color"]
    assert [e.name for e in environments_of(tiny_settings(method="vicreg"), factors).environments] == ["none"]
    for method in ("simclr", "contextssl", "supervised"):
        with pytest.raises(SettingsError, match=f"condition=color is for methods that are conditioned on one action; {method} is not"):
            train(tiny_settings(method=method, condition="color", output_dir=str(tmp_path)), data=data)
    with pytest.raises(SettingsError, match=r"unknown method 'simlcr': did you mean 'simclr'\?"):
        train(tiny_settings(method="simlcr", output_dir=str(tmp_path)), data=data)
    assert not any(tmp_path.iterdir()), "nothing is written for what cannot be trained"


def test_a_baseline_is_no_context_model(data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(method="simclr", epochs=1, projector_width=16, run_dir=str(tmp_path / "run")), data=data)
    with pytest.raises(CheckpointError, match=r"trained by a method without contexts: contextssl\.load_any"):
        contextssl.load(run)


def test_a_baseline_has_a_report_without_curves_over_contexts(data: Data, tmp_path: Path) -> None:
    run = train(tiny_settings(method="vicreg", epochs=1, projector_width=16, run_dir=str(tmp_path / "run")), data=data)
    evaluated(run, data)
    page = write_report([run]).page.read_text()
    assert "run is of a method that takes no context" in page and "run takes no context: its numbers are in the tables" in page


@pytest.mark.parametrize("method", ["simclr", "conditional", "contextssl"])
def test_only_what_reads_examples_is_trained_on_them(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of examples is compared with methods for which the two views of a pair are any of the item's."""
    # Whether in all pairs of a batch exactly the active factors have one value in both views.
    shared: list[bool] = []
    draw = PairSampler.batch

    def watched(sampler: PairSampler, *which: int) -> PairBatch:
        batch = draw(sampler, *which)
        agree = batch.source_latents == batch.target_latents
        shared.append(torch.equal(agree, batch.active))
        assert sampler.together == (method != "simclr")
        return batch

    monkeypatch.setattr(PairSampler, "batch", watched)
    small = {"projector_width": 16} if method == "simclr" else {}
    settings = tiny_settings(method=method, context="examples", negatives="sequence", epochs=1, run_dir=str(tmp_path / "run"), **small)
    data = toy_data(tmp_path / "toy", items={"train": 24, "val": 60}, grid=(3, 3), num_views=9)
    run = train(settings, data=data)
    assert shared and all(shared) == any(shared) == (method != "simclr")
    rows = [row for row in evaluated(run, data) if row.protocol == "geometry" and row.representation == "embedding"]
    model = contextssl.load_any(run)
    assert isinstance(model, Conditional) is (method == "conditional")
    if isinstance(model, Conditional):
        assert model.context_kind == "examples" and {row.environment for row in rows} == {"rotation", "color", "none"}
        views = data.val.views.gather_views(torch.arange(4), torch.zeros(4, dtype=torch.long))
        same, other = (model.embed(views, model.named_context(name)) for name in ("rotation", "color"))
        assert not torch.allclose(same, other)


@pytest.mark.long
def test_the_conditional_baseline_is_trained_resumed_and_evaluated_by_name(data: Data, tmp_path: Path) -> None:
    whole = train(tiny_settings(method="conditional", run_dir=str(tmp_path / "whole")), data=data)
    half = train(tiny_settings(method="conditional", save_interval=2, run_dir=str(tmp_path / "half")), data=data)
    (half / "checkpoints" / "last.ckpt").unlink()
    (half / "checkpoints" / "epoch=0001.ckpt").rename(half / "checkpoints" / "last.ckpt")
    train(tiny_settings(resume=str(half)), data=data)
    first, second = (checkpoints.read(run / "checkpoints" / "last.ckpt")["state_dict"] for run in (whole, half))
    assert [key for key in first if not torch.equal(first[key], second[key])] == []

    model = contextssl.load(whole)
    assert isinstance(model, Conditional) and model.takes_environment_name
    online = [row for row in read_results(whole)[1] if row.metric == "r2_pooled"]
    assert {(row.environment, row.length) for row in online} == {("rotation", 0), ("color", 0)}
    rows = [row for row in evaluated(whole, data) if row.protocol != "online"]
    assert {row.protocol for row in rows} == {"equivariance", "retrieval", "probe", "geometry"}
    for protocol in ("equivariance", "retrieval", "probe", "geometry"):
        told = {row.environment for row in rows if row.protocol == protocol and row.representation == "embedding"}
        assert told == {"rotation", "color", "none"}, "it was never trained without active factors, and is evaluated so all the same"
    assert {row.length for row in rows if row.representation == "embedding"} == {0}
    assert {row.environment for row in rows if row.head == "auxiliary"} == {"rotation", "color", "none"}
    by_name = {row.environment: row.mean for row in rows if row.metric == "variance_share" and row.factor == "color" and row.environment}
    assert len(set(by_name.values())) == 3

    page = write_report([whole]).page.read_text()
    assert "whole takes the environment’s name in place of a context" in page and "rotation given by name" in page
    with pytest.raises(SettingsError, match="this model takes no context pairs"):
        evaluate(EvaluateSettings(progress=False), ["context-sensitivity"], evaluated=Evaluated(model, data, whole))
