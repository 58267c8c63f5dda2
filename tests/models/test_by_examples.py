from __future__ import annotations

import pytest
import torch
from torch import nn

from contextssl.errors import InputError
from contextssl.factors import COLOR, ROTATION, FactorSpace
from contextssl.models.by_examples import ByExamples
from contextssl.models.contextssl import ContextSSL

FACTORS = FactorSpace((ROTATION, COLOR))


def model(kind: type[ContextSSL] = ByExamples) -> ContextSSL:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 32))
        return kind(encoder, FACTORS, feature_width=32, projection_dim=16, width=64, block_size=16, init="fan_in").eval()


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, 8, 8, generator=torch.Generator().manual_seed(len(shape)))


def test_a_context_is_pairs_of_images_alone() -> None:
    made, pairs, queries = model(), images(7, 2), images(5)
    context = made.context(pairs)
    assert context.pairs == 7 and len(context) == 14
    same = made.context(pairs[:, 0], target=pairs[:, 1], environment="anything")
    assert torch.equal(context.keys, same.keys) and same.environment == "anything"
    assert made.embed(queries, context).shape == (5, 16)
    # Actions that are given say nothing.
    told = made.context(pairs[:, 0], torch.randn(7, 6), pairs[:, 1])
    assert torch.equal(context.keys, told.keys)
    assert not torch.allclose(made.embed(queries, context), made.embed(queries), atol=1e-4)


def test_what_is_no_pair_is_refused() -> None:
    made = model()
    with pytest.raises(InputError, match=r"\(7, 3, 8, 8\): give pairs as \(k, 2"):
        made.context(images(7))
    with pytest.raises(InputError, match="pair each view with another"):
        made.context(images(7), target=images(6))
    with pytest.raises(InputError, match="do not fit into a block"):
        made.context(images(8, 2))
    with pytest.raises(InputError, match="takes no actions"):
        made.predict(images(3), torch.zeros(3, 6))


def test_a_model_of_actions_says_that_it_needs_them() -> None:
    with pytest.raises(InputError, match="context=examples needs no actions"):
        model(ContextSSL).context(images(7, 2))
