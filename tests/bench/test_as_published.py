"""The re-creation of the published way does the same mathematics as this package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from contextssl.bench.as_published import OneByOne, PublishedStep, embed_copying, looped_mask, ranks_one_by_one
from contextssl.bench.noise_data import noise_data
from contextssl.bench.train_bench import prepared
from contextssl.bench.training_step import PARTS, TrainingStep
from contextssl.config.bench_settings import BenchSettings
from contextssl.data.folder import write_folder
from contextssl.evaluation.metrics import tied_places
from contextssl.models.predictor import context_mask, pair_mask
from tests.evaluation.tiny import tiny_model
from tests.sources import ToySource

TINY = {"backbone": "resnet_compact", "resolution": 16, "batch_size": 16, "block_size": 8, "width": 16, "n_layer": 2, "projection_dim": 16}


def step_of(**changes: object) -> TrainingStep:
    settings = BenchSettings(**{**TINY, **changes})  # type: ignore[arg-type]
    return TrainingStep(settings, noise_data(32, 2, settings.resolution), torch.device("cpu"), settings.precision)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_the_looped_mask_is_the_mask(probability: float) -> None:
    uniform = torch.rand(12, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(looped_mask(uniform.tolist(), probability), context_mask(pair_mask(12), uniform, probability))


@pytest.mark.parametrize("pairs", [1, 5, 7])
def test_copied_contexts_give_the_same_embeddings(pairs: int) -> None:
    model = tiny_model()
    generator = torch.Generator().manual_seed(pairs)
    features, held = torch.randn(9, 12, generator=generator), torch.randn(pairs, 2, 12, generator=generator)
    actions = torch.randn(pairs, model.factors.width, generator=generator)
    context = model.context_from_features(held, actions)
    torch.testing.assert_close(embed_copying(model, features, held, actions), model.embed_features(features, context), atol=1e-5, rtol=1e-4)


def test_ranks_one_by_one_are_the_places() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, candidates = (F.normalize(torch.randn(20, 6, generator=generator), dim=1) for _ in range(2))
    above, _ = tied_places(predicted @ candidates.T, torch.arange(20), 0.0)
    assert ranks_one_by_one(predicted, candidates) == (above + 1).tolist()


@pytest.mark.parametrize("clamp", [True, False])
def test_a_step_has_the_same_loss_and_gradient(clamp: bool) -> None:
    step = step_of(precision="32-true", clamp_similarities=clamp)
    published = PublishedStep(step.model, step.objective, 1e-4)
    batch, source, target = prepared(step, 0)
    theirs = published.loss(published.predict(published.encode(source, target), batch.active_action, step.generator(0)), batch)
    theirs.backward()
    torch.testing.assert_close(step.learn(batch, 0), theirs.detach(), atol=1e-5, rtol=1e-5)
    gradients = {name: parameter.grad for name, parameter in published.model.named_parameters() if parameter.grad is not None}
    assert len(gradients) == sum(parameter.grad is not None for parameter in step.model.parameters())
    for name, parameter in step.model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=2e-5, rtol=1e-3)


def test_the_parts_of_a_step_train_as_the_whole_step_does() -> None:
    whole, divided = step_of(precision="32-true"), step_of(precision="32-true")
    whole.whole(0)
    seconds = divided.parts(0)
    assert tuple(seconds) == PARTS and all(value > 0 for value in seconds.values())
    for mine, other in zip(whole.model.parameters(), divided.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-4)


def test_operations_are_counted_and_leave_the_weights_alone() -> None:
    step = step_of(precision="32-true")
    before = [parameter.detach().clone() for parameter in step.model.parameters()]
    once = step.operations()
    assert once > 2 * 32 * sum(parameter.numel() for parameter in step.model.predictor.parameters()) / 100
    assert all(bool((a == b).all()) for a, b in zip(before, step.model.parameters(), strict=True))
    assert step_of(precision="32-true", batch_size=32).operations() == pytest.approx(2 * once, rel=0.05)


def test_views_read_one_by_one_are_those_of_the_files(tmp_path: Path) -> None:
    source = ToySource()
    root = write_folder(source, tmp_path / "f", 16, "jpg", workers=0, progress=False)
    names = [item.name for item in source.splits["train"]]
    files = OneByOne(root, names, 16, (0.5,) * 3, (0.25,) * 3)
    items, first, second = torch.tensor([2, 0]), torch.tensor([0, 1]), torch.tensor([3, 2])
    images, others, actions = files.batch(items, first, second)
    assert images.shape == others.shape == (2, 3, 16, 16) and actions.shape == (2, 6)
    latents = torch.from_numpy(source.latents(source.raw("train", 2)))
    action = source.factors.relative(latents[0], latents[3])
    turned = actions[0, :4] * torch.sign((actions[0, :4] * action[:4]).sum())
    torch.testing.assert_close(torch.cat([turned, actions[0, 4:]]), action, atol=1e-5, rtol=1e-4)
