from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.errors import InputError, SettingsError
from contextssl.models.predictor import Block, Predictor, context_mask, pair_mask, shared_context_attention


def small(**settings: object) -> Predictor:
    options: dict[str, object] = {"width": 32, "n_layer": 2, "n_head": 4, "block_size": 16, "mask_prob": 0.0, **settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        predictor = Predictor(10, 3, 7, **options)  # type: ignore[arg-type]
        for parameter in predictor.parameters():  # biases and norms that are not at their trivial start
            torch.nn.init.normal_(parameter, std=0.3)
    return predictor.eval()


def pairs(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, 10, generator=generator), torch.randn(n, 3, generator=generator)


def naive_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, allowed: list[list[bool]]) -> torch.Tensor:
    """One head, one token at a time."""
    out = torch.zeros_like(q)
    for i in range(len(q)):
        seen = [j for j in range(len(k)) if allowed[i][j]]
        weights = torch.tensor([math.exp(float(q[i] @ k[j]) / math.sqrt(q.shape[1])) for j in seen], dtype=q.dtype)
        out[i] = (weights / weights.sum()) @ torch.stack([v[j] for j in seen])
    return out


def naive_predictor(predictor: Predictor, features: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """The whole predictor on one sequence, head by head, from its weights."""
    tokens = []
    for (source, target), action in zip(features, actions, strict=True):
        tokens += [torch.cat([source, action]), torch.cat([target, torch.zeros_like(action)])]
    n = len(tokens)
    allowed = [[j == i or j // 2 < i // 2 for j in range(n)] for i in range(n)]
    x = predictor.read_in(torch.stack(tokens))
    for block in cast(Iterable[Block], predictor.blocks):
        q, k, v = block.queries_keys_values(block.attention_norm(x)).split(x.shape[1], dim=1)
        size = x.shape[1] // block.heads
        heads = [slice(h * size, (h + 1) * size) for h in range(block.heads)]
        x = x + block.attention_out(torch.cat([naive_attention(q[:, h], k[:, h], v[:, h], allowed) for h in heads], dim=1))
        x = x + block.mlp_out(torch.nn.functional.gelu(block.mlp_in(block.mlp_norm(x))))
    return predictor.read_out(predictor.norm(x)).unflatten(0, (-1, 2))


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 3, 8])
def test_forward_is_the_loop(count: int) -> None:
    predictor, (features, actions) = small().double(), pairs(count)
    expected = naive_predictor(predictor, features.double(), actions.double())
    torch.testing.assert_close(predictor(features.double(), actions.double()), expected)


@torch.no_grad()
@given(st.integers(1, 30))
def test_a_last_sequence_that_is_not_full_is_exact(count: int) -> None:
    predictor, (features, actions) = small(), pairs(count)
    out = predictor(features, actions)
    assert out.shape == (count, 2, 7)
    for start in range(0, count, 8):
        part = slice(start, start + 8)
        torch.testing.assert_close(out[part], predictor(features[part], actions[part]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("length", [0, 1, 4, 7])
def test_queries_equal_token_by_token_inference(length: int) -> None:
    predictor = small()
    features, actions = pairs(7)
    queries, query_actions = pairs(9, seed=1)
    queries = queries[:, 0]
    context = predictor.context(features, actions, "rotation").prefix(2 * length)
    assert len(context) == 2 * length and context.environment == "rotation"
    ours = predictor.query(queries, query_actions, context)
    for i in range(9):
        one = torch.stack([queries[i], torch.zeros(10)])[None]
        alone = predictor(torch.cat([features[:length], one]), torch.cat([actions[:length], query_actions[i : i + 1]]))[-1, 0]
        torch.testing.assert_close(ours[i], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_prefix_is_the_shorter_context() -> None:
    predictor, (features, actions) = small(), pairs(7)
    long, short = predictor.context(features, actions), predictor.context(features[:3], actions[:3])
    torch.testing.assert_close(long.prefix(6).keys, short.keys)
    torch.testing.assert_close(long.prefix(6).values, short.values)
    assert long.prefix(6).keys.data_ptr() == long.keys.data_ptr(), "a view, nothing copied"


@pytest.mark.parametrize("length", [3, -2, 16])
def test_prefixes_that_cannot_be(length: int) -> None:
    context = small().context(*pairs(7))
    with pytest.raises(InputError, match=f"no prefix of {length}"):
        context.prefix(length)


def test_a_context_longer_than_the_block_is_an_error() -> None:
    with pytest.raises(InputError, match="a context of 8 pairs \\(16 tokens\\) .* block of 16 tokens: give at most 7 pairs"):
        small().context(*pairs(8))


def test_masks_by_hand() -> None:
    assert pair_mask(4).int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]
    uniform = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.3, 0.0], [0.1, 0.0]])
    assert context_mask(pair_mask(4), uniform, 0.2).int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]]


def test_context_masks_hide_at_their_rate_and_differ_by_layer() -> None:
    """Hiding everything makes a token's prediction its own alone; hiding nothing is evaluation."""
    features, actions = pairs(8)
    predictor = small(mask_prob=1.0).train()
    with torch.no_grad():
        alone = torch.stack([predictor.query(features[:, 0], actions), predictor.query(features[:, 1], torch.zeros_like(actions))], dim=1)
        torch.testing.assert_close(predictor(features, actions), alone, atol=1e-5, rtol=1e-5)
        predictor.mask_prob = 0.5
        first = predictor(features, actions, torch.Generator().manual_seed(1))
        again = predictor(features, actions, torch.Generator().manual_seed(1))
        other = predictor(features, actions, torch.Generator().manual_seed(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    uniform = torch.rand(400, 200, generator=torch.Generator().manual_seed(0))
    allowed = pair_mask(400) & ~torch.eye(400, dtype=torch.bool)
    kept = context_mask(pair_mask(400), uniform, 0.9) & allowed
    assert kept.sum() / allowed.sum() == pytest.approx(0.1, abs=0.01)


def test_shared_context_attention_is_the_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 5, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    context_k, context_v = (torch.randn(2, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    ours = shared_context_attention(q, k, v, context_k, context_v)
    for head in range(2):
        for i in range(5):
            keys, values = torch.cat([context_k[head], k[head, i : i + 1]]), torch.cat([context_v[head], v[head, i : i + 1]])
            expected = naive_attention(q[head, i : i + 1], keys, values, [[True] * 4])
            torch.testing.assert_close(ours[head, i : i + 1], expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_size": 7}, "block_size is 7: .* even"),
        ({"block_size": 0}, "block_size is 0"),
        ({"n_head": 5}, "width 32 cannot be shared by n_head 5"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"mask_prob": 1.5}, "mask_prob is 1.5"),
        ({"init": "xavier"}, "init is 'xavier'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        small(**settings)


def test_initialisations() -> None:
    torch.manual_seed(0)
    gpt2 = Predictor(200, 4, 50, width=400, n_layer=2)
    assert gpt2.read_in.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert cast(Block, gpt2.blocks[0]).mlp_out.weight.std().item() == pytest.approx(0.01, rel=0.05)
    fan_in = Predictor(200, 4, 50, width=400, n_layer=2, init="fan_in")
    assert fan_in.read_in.weight[:, :200].std().item() == pytest.approx(200**-0.5, rel=0.05)
    assert fan_in.read_in.weight[:, 200:].std().item() == pytest.approx(0.5, rel=0.1)
    assert cast(Block, fan_in.blocks[1]).mlp_out.weight.std().item() == pytest.approx(1600**-0.5, rel=0.05)
