from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch, ViewPairs
from contextssl.data.published_latents import FACTORS
from contextssl.models.by_examples import ByExamples
from contextssl.models.contrast import mean_similarities
from contextssl.training.loss import Objective, contextssl_loss
from contextssl.training.meters import TrainMeters
from tests.evaluation.tiny import SIZE, views_of
from tests.models.test_contextssl import images, small
from tests.models.test_contrast import naive_item_contrast, naive_nt_xent
from tests.models.test_objectives import naive_auxiliary


def batch_of(n: int) -> PairBatch:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(n, 2, 6, generator=generator)
    active = torch.stack([FACTORS.mask("rotation" if k < n // 2 else "color") for k in range(n)])
    index = torch.arange(n)
    return PairBatch(
        images(n, 1), images(n, 2), torch.randn(n, 6, generator=generator), latents[:, 0], latents[:, 1], active, index, index, index, index
    )


def test_the_loss_is_the_papers_equation() -> None:
    """Contrastive loop + weight × regression loop, on the predictions of the active actions."""
    model, batch = small(mask_prob=0.0, auxiliary_scale="sqrt_width").train(), batch_of(8)
    head = model.auxiliary
    assert head is not None
    objective = Objective(temperature=0.2, clamp=None, auxiliary_weight=3.0)
    losses = contextssl_loss(model, batch, objective)
    with torch.no_grad():
        z = model(batch.source, batch.target, batch.action * batch.active)
    latents = torch.stack([torch.stack([head(10**0.5 * token / token.norm()) for token in pair]) for pair in z]).detach()
    contrastive = naive_nt_xent(z, 0.2, None)
    auxiliary = naive_auxiliary(latents, batch.target_latents, batch.active, FACTORS.slices)
    assert float(losses.parts["contrastive"]) == pytest.approx(contrastive, rel=1e-4)
    assert float(losses.parts["auxiliary"]) == pytest.approx(auxiliary, rel=1e-4)
    assert float(losses.total.detach()) == pytest.approx(contrastive + 3 * auxiliary, rel=1e-4)


def test_actions_of_inactive_factors_do_not_matter() -> None:
    model, batch = small(mask_prob=0.0).train(), batch_of(8)
    changed = PairBatch(**{**batch.__dict__, "action": torch.where(batch.active, batch.action, 7.0)})
    objective = Objective()
    assert torch.equal(contextssl_loss(model, batch, objective).total, contextssl_loss(model, changed, objective).total)


def test_the_bottleneck_is_in_the_loss_and_tracks_its_variance() -> None:
    model, batch = small(mask_prob=0.0, bottleneck=0.5).train(), batch_of(8)
    first = contextssl_loss(model, batch, Objective(), torch.Generator().manual_seed(0)).total
    variance = float(model.bottleneck.variance)
    assert variance > 0 and int(model.bottleneck.batches) == 1
    assert first != contextssl_loss(model, batch, Objective(), torch.Generator().manual_seed(1)).total
    model.eval()
    contextssl_loss(model, batch, Objective(), torch.Generator().manual_seed(0))
    assert int(model.bottleneck.batches) == 2, "tracked while training alone"


def test_meters_are_those_of_all_their_batches() -> None:
    model, meters, objective = small(mask_prob=0.0).train(), TrainMeters(FACTORS), Objective()
    batches = [batch_of(8), batch_of(6)]
    losses = [contextssl_loss(model, batch, objective) for batch in batches]
    for loss in losses:
        meters.update(loss)
    means = meters.fetch()
    assert means["train/loss"] == pytest.approx(sum(float(loss.total.detach()) for loss in losses) / 2, rel=1e-5)
    assert means["train/positive_similarity"] == pytest.approx(
        sum(float(mean_similarities(loss.unit)[0]) for loss in losses if loss.unit is not None) / 2, rel=1e-5
    )
    # R² of rotation over its active entries in both batches, tokens of a pair averaged.
    residual, targets = 0.0, []
    for loss, batch in zip(losses, batches, strict=True):
        assert loss.latents is not None
        for k in range(len(batch)):
            if batch.active[k, 0]:
                residual += float((loss.latents[k, :, :4] - batch.target_latents[k, :4]).square().mean(0).sum())
                targets += batch.target_latents[k, :4].tolist()
    mean = sum(targets) / len(targets)
    assert means["train/r2_pooled/rotation"] == pytest.approx(1 - residual / sum((t - mean) ** 2 for t in targets), rel=1e-4)
    assert means["train/images_per_second"] > 0
    assert meters.fetch() == {}, "sums start again"
    assert all(math.isfinite(value) for value in means.values())


def test_inactive_alignment_enters_with_its_weight() -> None:
    model, batch = small(mask_prob=0.0).train(), batch_of(8)
    # In half of the pairs no factor is active, and half of those differ in factors alone.
    batch = replace(batch, active=batch.active & (torch.arange(8) % 2 == 0)[:, None], exact=torch.arange(8) < 4)
    plain = contextssl_loss(model, batch, Objective(inactive_weight=0.0)).total
    with torch.no_grad():
        unit = torch.nn.functional.normalize(model(batch.source, batch.target, batch.active_action), dim=-1)
    apart = (unit[:, 0] - unit[:, 1]).square().sum(-1)[[1, 3]].mean()
    assert float((contextssl_loss(model, batch, Objective(inactive_weight=2.0)).total - plain).detach()) == pytest.approx(
        2 * float(apart), rel=1e-3
    )


def test_items_are_told_apart_with_their_weight() -> None:
    """The term reads embeddings without the bottleneck's noise, and knows the items of pairs, not their factors."""
    model, batch = small(mask_prob=0.0, item_head=True, bottleneck=0.5).eval(), batch_of(8)
    batch = replace(batch, items=torch.arange(8) // 2)
    losses = contextssl_loss(model, batch, Objective(item_weight=2.0), torch.Generator().manual_seed(0))
    plain = contextssl_loss(model, batch, Objective(item_weight=0.0), torch.Generator().manual_seed(0))
    with torch.no_grad():
        unit = torch.nn.functional.normalize(model(batch.source, batch.target, batch.active_action), dim=-1)
        assert model.item_head is not None
        items = [number for number in batch.items.tolist() for _ in range(2)]
        wanted = naive_item_contrast(model.item_head(unit).flatten(0, 1), items, 0.1)
    assert float(losses.parts["items"]) == pytest.approx(2 * wanted, rel=1e-3)
    assert float((losses.total - plain.total).detach()) == pytest.approx(2 * wanted, rel=1e-3)
    assert small().item_head is None, "as published"


def test_every_example_is_aligned_whatever_its_action() -> None:
    """The views of an example share all active factors, though the action of a rotation that is the same in both is not zero."""
    source = ViewPairs(views_of(6, grid=(4, 4)))
    mix = EnvironmentMix.parse({"rotation": 1.0}, source.factors)
    batch = PairSampler(source, mix, 8, 8, context="examples").batch(0, 0)
    torch.testing.assert_close(batch.active_action[:, 3], torch.ones(len(batch)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 16))
        model = ByExamples(
            encoder,
            source.factors,
            feature_width=16,
            projection_dim=8,
            width=32,
            block_size=8,
            mask_prob=0.0,
            image_mean=(0.5,) * 3,
            image_std=(0.25,) * 3,
        ).eval()
    plain, aligned = (contextssl_loss(model, batch, Objective(inactive_weight=weight)).total for weight in (0.0, 3.0))
    unit = torch.nn.functional.normalize(model(batch.source, batch.target), dim=-1)
    by_hand = (unit[:, 0] - unit[:, 1]).square().sum(dim=1).mean()
    torch.testing.assert_close(aligned - plain, 3.0 * by_hand, atol=1e-4, rtol=1e-4)
