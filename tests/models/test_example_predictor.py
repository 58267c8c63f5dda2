from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import pytest
import torch

from contextssl.models.example_predictor import ExamplePredictor
from contextssl.models.predictor import Block, Context
from tests.models.test_predictor import naive_attention


def small(**settings: object) -> ExamplePredictor:
    options: dict[str, object] = {"width": 32, "n_layer": 2, "n_head": 4, "block_size": 16, "mask_prob": 0.0, **settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        predictor = ExamplePredictor(10, 0, 7, **options)  # type: ignore[arg-type]
        for parameter in predictor.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return predictor.eval()


def pairs(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, 2, 10, generator=torch.Generator().manual_seed(seed)), torch.zeros(n, 0)


def naive(predictor: ExamplePredictor, features: torch.Tensor) -> torch.Tensor:
    """One sequence, token by token: each view alone, after one token for each earlier pair."""
    count = len(features)
    tokens, owner, is_relation = [], [], []
    for number, (source, target) in enumerate(features):
        tokens += [
            predictor.read_pair(torch.cat([source, target, (source - target).abs()])),
            predictor.read_in(source),
            predictor.read_in(target),
        ]
        owner += [number] * 3
        is_relation += [True, False, False]
    allowed = [[j == i or (is_relation[j] and owner[j] < owner[i]) for j in range(3 * count)] for i in range(3 * count)]
    x = torch.stack(tokens)
    for block in cast(Iterable[Block], predictor.blocks):
        q, k, v = block.queries_keys_values(block.attention_norm(x)).split(x.shape[1], dim=1)
        size = x.shape[1] // block.heads
        heads = [slice(h * size, (h + 1) * size) for h in range(block.heads)]
        x = x + block.attention_out(torch.cat([naive_attention(q[:, h], k[:, h], v[:, h], allowed) for h in heads], dim=1))
        x = x + block.mlp_out(torch.nn.functional.gelu(block.mlp_in(block.mlp_norm(x))))
    views = [place for place, relation in enumerate(is_relation) if not relation]
    return predictor.read_out(predictor.norm(x[views])).unflatten(0, (-1, 2))


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 3, 8])
def test_forward_is_the_loop(count: int) -> None:
    predictor = small()
    features, nothing = pairs(count)
    torch.testing.assert_close(predictor(features, nothing), naive(predictor, features), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_query_after_a_context_is_the_next_pair_of_the_sequence() -> None:
    predictor = small()
    features, nothing = pairs(6)
    whole = predictor(features, nothing)
    context = predictor.context(features[:5], nothing[:5])
    assert len(context) == 10 and context.pairs == 5 and context.keys.shape[2] == 5
    torch.testing.assert_close(predictor.query(features[5], nothing[:2], context), whole[5], atol=1e-4, rtol=1e-4)
    # A shorter context is a prefix of the longer.
    shorter = predictor.context(features[:2], nothing[:2])
    torch.testing.assert_close(context.prefix(4).keys, shorter.keys, atol=1e-5, rtol=1e-5)
    assert isinstance(context.prefix(4), Context) and context.prefix(4).held == 1


@torch.no_grad()
def test_no_query_sees_its_partner() -> None:
    predictor = small()
    features, nothing = pairs(4)
    other = features.clone()
    other[3, 1] = 5.0
    a, b = predictor(features, nothing), predictor(other, nothing)
    torch.testing.assert_close(a[3, 0], b[3, 0], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(a[:3], b[:3], atol=1e-6, rtol=1e-6)
    assert not torch.allclose(a[3, 1], b[3, 1], atol=1e-3)


@torch.no_grad()
def test_the_order_of_examples_changes_nothing_in_one_layer_and_who_belongs_to_whom_does() -> None:
    predictor = small(n_layer=1)
    features, nothing = pairs(5)
    query = torch.randn(3, 10, generator=torch.Generator().manual_seed(1))
    embedded = predictor.query(query, torch.zeros(3, 0), predictor.context(features, nothing))
    turned = predictor.query(query, torch.zeros(3, 0), predictor.context(features.flip(0), nothing))
    torch.testing.assert_close(embedded, turned, atol=1e-5, rtol=1e-5)
    dealt = torch.stack([features[:, 0], features[:, 1].roll(1, 0)], dim=1)
    assert (predictor.query(query, torch.zeros(3, 0), predictor.context(dealt, nothing)) - embedded).abs().max() > 1e-2


def test_context_masks_hide_whole_pairs_and_never_oneself() -> None:
    predictor = small(mask_prob=0.5).train()
    masks = predictor._masks(torch.device("cpu"), torch.Generator().manual_seed(0))
    assert masks is not None
    allowed = predictor.allowed(8)
    for mask in masks:
        assert mask.shape == (24, 24) and bool(mask.diagonal().all()) and not bool((mask & ~allowed).any())
        assert 0.3 < float(mask[allowed & ~torch.eye(24, dtype=torch.bool)].float().mean()) < 0.7


@pytest.mark.parametrize("init", ["gpt2", "fan_in"])
def test_a_predictor_without_actions_has_finite_weights(init: str) -> None:
    assert all(bool(parameter.isfinite().all()) for parameter in ExamplePredictor(10, 0, 7, width=32, init=init).parameters())
