from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import ViewPairs
from contextssl.errors import DataError, InputError
from contextssl.factors import COLOR, ROTATION, FactorSpace
from contextssl.models.by_evidence import ByEvidence
from contextssl.training.loss import Objective, contextssl_loss
from tests.evaluation.tiny import SIZE, views_of

FACTORS = FactorSpace((ROTATION, COLOR))


def model(size: int = 8) -> ByEvidence:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, 32))
        statistics = {"image_mean": (0.5,) * 3, "image_std": (0.25,) * 3} if size == SIZE else {}
        return ByEvidence(
            encoder,
            FACTORS,
            feature_width=32,
            projection_dim=16,
            width=64,
            n_layer=1,
            block_size=8,
            mask_prob=0.0,
            init="fan_in",
            **statistics,
        ).eval()


def features(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 2, 32, generator=torch.Generator().manual_seed(seed))


def actions(n: int, seed: int = 1) -> torch.Tensor:
    turns = F.normalize(torch.randn(n, 4, generator=torch.Generator().manual_seed(seed)), dim=1)
    return torch.cat([turns, torch.randn(n, 2, generator=torch.Generator().manual_seed(seed + 1))], dim=1)


@torch.no_grad()
def test_which_action_belongs_to_which_pair_counts_and_no_name_does() -> None:
    made = model()
    pairs, given, queries = features(3), actions(3), features(5, 2)[:, 0]
    context = made.context_from_features(pairs, given)
    named = made.context_from_features(pairs, given, "rotation")
    assert torch.equal(context.keys, named.keys) and named.environment == "rotation" and context.pairs == 3
    moved = made.context_from_features(pairs, given.roll(1, 0))
    dealt = made.context_from_features(torch.stack([pairs[:, 0], pairs[:, 1].roll(1, 0)], dim=1), given)
    z = made.embed_features(queries, context)
    for other in (moved, dealt):
        assert (made.embed_features(queries, other) - z).abs().max() > 1e-3
    # A prediction is given the whole action, whatever the environment.
    assert torch.equal(made.query_action(given, "color"), given)
    with pytest.raises(InputError, match="needs the action of each pair"):
        made.context_from_features(pairs)


@torch.no_grad()
def test_a_pair_sees_how_far_its_action_is_from_what_the_views_show() -> None:
    predictor = model().predictor
    pairs, given = features(4), actions(4)
    source, target = (predictor.latents(pairs[:, end]) for end in (0, 1))
    seen = FACTORS.relative(source, target)
    by_hand = predictor.read_pair(torch.cat([pairs[:, 0], pairs[:, 1], given, (seen - given).abs()], dim=1))
    torch.testing.assert_close(predictor.relation(pairs, given), by_hand)


@torch.no_grad()
def test_the_heads_losses_by_hand() -> None:
    made = model()
    pairs, given = features(6), actions(6)
    latents = torch.randn(6, 2, 6, generator=torch.Generator().manual_seed(3))
    active = torch.zeros(6, 6, dtype=torch.bool)
    active[:4, :4], active[4:, 4:] = True, True
    losses = made.evidence_losses(pairs, given, latents, active)
    errors = [(made.predictor.latents(pairs[k, end]) - latents[k, end]).square().mean() for k in range(6) for end in (0, 1)]
    torch.testing.assert_close(losses["latents"], torch.stack(errors).mean())
    # Sequences of four pairs and of two, in different environments.
    relations, expected = made.predictor.relation(pairs, given), []
    for first, last, flags in ((0, 4, [1.0, 0.0]), (4, 6, [0.0, 1.0])):
        for k in range(first, last):
            logits = made.active_head(relations[first : k + 1].mean(dim=0))
            expected.append(F.binary_cross_entropy_with_logits(logits, torch.tensor(flags)))
    torch.testing.assert_close(losses["environment"], torch.stack(expected).mean())


def test_decoys_lead_to_a_third_view_and_come_in_the_inactive_blocks() -> None:
    source = ViewPairs(views_of(6, views=3))
    mix = EnvironmentMix.parse(None, source.factors, "sequence")
    sampler = PairSampler(source, mix, 12, 4, pairs_per_item=2, context="evidence")
    batch = sampler.batch(0, 0)
    assert batch.decoy is not None
    for row in range(12):
        (third,) = {0, 1, 2} - {int(batch.source_views[row]), int(batch.target_views[row])}
        latents = source.views.gather_latents(batch.items[row : row + 1], torch.tensor([third]))
        torch.testing.assert_close(batch.decoy[row], source.factors.relative(batch.source_latents[row], latents[0]))
    given = batch.active_action
    assert torch.equal(given[batch.active], batch.action[batch.active]) and torch.equal(given[~batch.active], batch.decoy[~batch.active])
    shares = [sampler.batch(0, 0, rank, 2).decoy for rank in range(2)]
    assert torch.equal(torch.cat([share for share in shares if share is not None]), batch.decoy)
    with pytest.raises(DataError, match="needs a third view of each item, and these have 2"):
        PairSampler(ViewPairs(views_of(6, views=2)), mix, 12, 4, context="evidence").batch(0, 0)


def test_the_loss_has_the_heads_in_it() -> None:
    source = ViewPairs(views_of(6, views=4))
    sampler = PairSampler(source, EnvironmentMix.parse(None, source.factors, "sequence"), 12, 8, 2, context="evidence")
    made = model(SIZE).train()
    losses = contextssl_loss(made, sampler.batch(0, 0), Objective(auxiliary_weight=2.0))
    assert set(losses.parts) == {"contrastive", "auxiliary", "latents", "environment"}
    parts = losses.parts
    torch.testing.assert_close(
        losses.total.detach(), parts["contrastive"] + 2.0 * parts["auxiliary"] + parts["latents"] + parts["environment"]
    )
    losses.total.backward()
    assert all(parameter.grad is not None for parameter in made.parameters())
