"""Losses, gradients and statistics of a batch that 2 or 4 real processes share are those of one process that has it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from contextssl.config.settings import TrainSettings
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch, ViewPairs
from contextssl.data.views import Views
from contextssl.factors import COLOR, ROTATION, FactorSpace
from contextssl.method import METHODS, Parts
from contextssl.models.baselines.baseline import Baseline
from contextssl.models.conditional import Conditional
from contextssl.models.contextssl import ContextSSL
from contextssl.models.label_space import LabelSpace
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.whole_batch import ALONE, WholeBatch
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.training.loss import Objective, loss_of

SPACE = FactorSpace((ROTATION, COLOR))
WORLDS = (2, 4)
TRAINED_BASELINES = [name for name, method in METHODS.built_in.items() if method.model is None and method.trains]


def sampler_of(items: int, batch_size: int, pairs_per_item: int = 1, scope: str = "sequence") -> PairSampler:
    """Sequences of four pairs."""
    generator = np.random.default_rng(0)
    views = Views(
        images=generator.integers(0, 256, (items, 5, 4, 4, 3), dtype=np.uint8),
        latents=generator.normal(size=(items, 5, SPACE.width)).astype(np.float32),
        labels=np.arange(items) % 3,
        factors=SPACE,
        class_names=("a", "b", "c"),
        item_names=[str(item) for item in range(items)],
    )
    mix = EnvironmentMix.parse({"rotation": 0.4, "color": 0.3, "none": 0.3}, SPACE, scope)
    return PairSampler(ViewPairs(views), mix, batch_size, 8, pairs_per_item, seed=1)


def context_model(kind: type[ContextSSL] = ContextSSL, **given: Any) -> ViewEncoder:
    options: dict[str, Any] = {
        "feature_width": 10,
        "projection_dim": 6,
        "width": 16,
        "n_layer": 2,
        "n_head": 2,
        "block_size": 8,
        "mask_prob": 0.5,
        "auxiliary_width": 8,
        "auxiliary_scale": "sqrt_width",
        "image_mean": [0.5] * 3,
        "image_std": [0.25] * 3,
        **given,
    }
    with DrawingFrom(seeded_generator(0, "model")):
        return kind(nn.Sequential(nn.Flatten(), nn.Linear(48, 10)), SPACE, **options).train()


def baseline(method: str, pairs_per_item: int) -> ViewEncoder:
    with DrawingFrom(seeded_generator(0, "model")):
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(48, 10))
        sizes = {"projector_width": 16, "projection_dim": 6, "sequence_layers": 1, "sequence_heads": 2}
        settings = TrainSettings(**sizes, temperature=0.2, pairs_per_item=pairs_per_item)  # type: ignore[arg-type]
        terms = METHODS.find(method).terms(Parts(settings, encoder, 10, SPACE, classes=3))
        return Baseline(encoder, SPACE, method, terms, feature_width=10, image_mean=[0.5] * 3, image_std=[0.25] * 3).train()


def some_exact(batch: PairBatch) -> PairBatch:
    return replace(batch, exact=batch.items % 2 == 0)


def first_sequences_without_factors(batch: PairBatch) -> PairBatch:
    """A share of items below 9 alone has no active factor: the counts of active factors differ as much as they can."""
    return replace(batch, active=batch.active & (batch.items >= 9)[:, None])


Case = tuple[ViewEncoder, Objective, PairSampler, int, Callable[[PairBatch], PairBatch]]


def cases() -> Iterator[tuple[str, Case]]:
    """By name a model, its objective, the batches, which step's, and what else is done to it."""
    labels = LabelSpace(SPACE, 3, {"rotation": (0.0,), "color": (0.0,)})
    every = Objective(auxiliary_weight=3.0, inactive_weight=2.0, label_weight=1.5)
    # Of 18 pairs the last sequence has two; of the 6 that are left over there are too few sequences for four processes, which share by pairs.
    uneven = sampler_of(24, 18)
    for step in (0, 1):
        yield f"every term, step {step}", (context_model(labels=labels, bottleneck=0.3), every, uneven, step, some_exact)
    yield "no active factor in some shares", (context_model(labels=labels), every, uneven, 0, first_sequences_without_factors)
    yield "one environment", (context_model(), Objective(), sampler_of(24, 18, scope="batch"), 0, some_exact)
    twice = sampler_of(12, 16, pairs_per_item=2)
    yield "items told apart", (context_model(item_head=True, bottleneck=0.3), Objective(item_weight=1.0), twice, 0, some_exact)
    yield "simclr+", (context_model(auxiliary=False), Objective(invariant=True), twice, 0, some_exact)
    yield "vicreg+", (context_model(auxiliary=False), Objective(vicreg=(10.0, 10.0, 1.0), invariant=True), twice, 0, some_exact)
    conditional = context_model(Conditional, labels=labels, bottleneck=0.3)
    yield "conditional", (conditional, every, uneven, 0, some_exact)
    for method in TRAINED_BASELINES:
        for step in (0, 1):
            yield f"{method}, step {step}", (baseline(method, 2), Objective(), sampler_of(13, 18, pairs_per_item=2), step, some_exact)


def computed(case: Case, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
    """What a training step finds: losses, gradients averaged over processes, and buffers."""
    model, objective, sampler, step, change = case
    whole = ALONE if world == 1 else WholeBatch(sampler.shares(step, world), sampler.cuts_sequences(step, world))
    batch = change(sampler.batch(0, step, rank, world))
    losses = loss_of(model, batch, objective, seeded_generator(0, "step"), whole)
    losses.total.backward()
    found = {f"loss {name}": part for name, part in losses.parts.items()} | {"loss": losses.total.detach()}
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in trained.values()])
    if world > 1:
        dist.all_reduce(gradients)
    for (name, p), gradient in zip(trained.items(), (gradients / world).split([p.numel() for p in trained.values()]), strict=True):
        found[f"gradient {name}"] = gradient.view_as(p)
    return found | {f"buffer {name}": buffer for name, buffer in model.named_buffers()}


def _process(rank: int, folder: str) -> None:
    for world in WORLDS:
        if rank < world:
            dist.init_process_group("gloo", init_method=f"file://{folder}/meeting-{world}", rank=rank, world_size=world)
            found = {name: computed(case, rank, world) for name, case in cases()}
            torch.save(found, f"{folder}/{world}-{rank}.pt")
            dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    spawn(_process, (str(folder),), nprocs=max(WORLDS))
    return folder


@pytest.mark.parametrize("world", WORLDS)
def test_processes_together_do_what_one_does(shared: Path, world: int) -> None:
    expected = {name: computed(case) for name, case in cases()}
    for rank in range(world):
        got = torch.load(shared / f"{world}-{rank}.pt")
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            assert values.keys() == got[name].keys()
            assert float(sum(value.abs().sum() for key, value in values.items() if key.startswith("gradient"))) > 0
            for key, value in values.items():
                assert torch.allclose(got[name][key], value, atol=1e-5, rtol=1e-4), f"{name}: {key}: {got[name][key]} and not {value}"


def test_the_cases_are_uneven() -> None:
    sampler = sampler_of(24, 18)
    assert sampler.shares(0, 2) == [8, 10] and sampler.shares(0, 4) == [4, 4, 8, 2]
    assert sampler.cuts_sequences(1, 4) and not sampler.cuts_sequences(1, 2) and not sampler.cuts_sequences(0, 4)
    active = [first_sequences_without_factors(sampler.batch(0, 0, rank, 4)).active.any(dim=1).sum() for rank in range(4)]
    assert len({int(count) for count in active}) > 1
