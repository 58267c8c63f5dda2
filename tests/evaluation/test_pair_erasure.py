"""Erasers that see a context's pairs: by hand, against loops, and as rows beside the context."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.evaluation.contexts import ContextPoint, Contexts
from contextssl.evaluation.disturbed_contexts import context_sensitivity_rows
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.pair_erasure import ERASED, erase_differences, erase_latents, erasers
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.variance_share import item_folds, share_designs, variance_share
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.by_examples import ByExamples
from tests.evaluation.tiny import FACTORS, generator, tiny_model, views_of


def test_by_hand() -> None:
    """Pairs that differ along the first axis alone: that number goes to its mean over all views, and nothing else moves."""
    z = torch.tensor([[[0.0, 5.0, 1.0], [2.0, 5.0, 1.0]], [[1.0, 2.0, 3.0], [4.0, 2.0, 3.0]]])
    erased = erase_differences(z)(torch.tensor([[9.0, 8.0, 7.0]]))
    assert torch.allclose(erased, torch.tensor([[1.75, 8.0, 7.0]]), atol=1e-6) and erased.dtype == torch.float32


@pytest.mark.parametrize("count", [1, 3, 7])
def test_all_directions_are_the_loops(count: int) -> None:
    """Gram-Schmidt on the differences; the two views of every pair become one."""
    z = torch.randn(count, 2, 9, generator=generator(), dtype=torch.float64)
    x = torch.randn(4, 9, generator=generator(1), dtype=torch.float64)
    basis: list[Tensor] = []
    for first, second in z:
        left = second - first
        for one in basis:
            left = left - (left @ one) * one
        basis.append(left / left.norm())
    mean = z.flatten(0, 1).mean(0)
    expected = torch.stack([row - sum(((row - mean) @ one) * one for one in basis) for row in x])
    erase = erase_differences(z)
    assert torch.allclose(erase(x), expected, atol=1e-10)
    assert torch.allclose(erase(z[:, 0]), erase(z[:, 1]), atol=1e-10)


def test_a_share_takes_the_fewest_directions() -> None:
    z = torch.zeros(2, 2, 3)
    z[0, 1, 0], z[1, 1, 2] = 3.0, 1.0  # nine parts of ten along the first axis
    for share, gone in ((0.5, [0]), (0.9, [0]), (0.95, [0, 2]), (1.0, [0, 2])):
        change = erase_differences(z, share).change
        assert change.diagonal().nonzero()[:, 0].tolist() == gone, share


def test_pairs_of_one_view_twice_erase_nothing() -> None:
    z = torch.randn(4, 1, 5, generator=generator()).expand(4, 2, 5)
    x = torch.randn(6, 5, generator=generator(1))
    assert torch.equal(erase_differences(z)(x), x)
    assert torch.allclose(erase_latents(z, torch.randn(4, 2, 3, generator=generator()))(x), x)


def test_leace_takes_what_the_latents_explain_and_no_more() -> None:
    """Differences along two axes, one of them the latent's: that axis goes, the other stays."""
    latents = torch.randn(40, 2, 2, generator=generator(), dtype=torch.float64)
    latents[:, 1, 1] = latents[:, 0, 1]  # a factor that both share
    z = torch.randn(40, 2, 5, generator=generator(1), dtype=torch.float64)
    z[..., 3:] = z[:, :1, 3:]  # nothing differs here
    z[..., 0] = 2 * latents[..., 0]
    erase = erase_latents(z, latents)
    moved, concept = erase(z[:, 1]) - erase(z[:, 0]), latents[:, 1] - latents[:, 0]
    assert float((moved.T @ concept).abs().max()) < 1e-9, "nothing linear is left"
    assert torch.allclose(erase(z.flatten(0, 1))[:, 3:], z.flatten(0, 1)[:, 3:], atol=1e-9)
    assert torch.linalg.matrix_rank(erase.change) == 1, "one number of latents differs"


# The tiny views are too few for some shares, and it is said.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rows_beside_the_context_are_of_the_erased_embeddings() -> None:
    train, val = ViewPairs(views_of(9, split="train", grid=(5, 5))), views_of(16, grid=(5, 5))
    embedder = Embedder(tiny_model(kind=ByExamples), Contexts.draw(train, 7, 2, 0, "examples"), {})
    read = ViewSet.choose(val, "val", 0, 0, 0)
    views = SingleViews(embedder, ViewSet.choose(train.views, "train", 0, 0, 0), read, read.rows(3, 0))
    environment = FACTORS.environment("rotation")
    rows = list(context_sensitivity_rows(views, train, [environment], lengths=[6], disturbances=[], k=5))
    assert {row.context for row in rows} == {None, ERASED, f"{ERASED}, 90 %", f"{ERASED}, LEACE"}
    erased = [row for row in rows if row.context is not None]
    assert {(row.length, row.environment, row.n) for row in erased} == {(6, "rotation", 2)}
    assert {(row.metric, row.head) for row in erased if row.metric in ("variance_share", "r2_pooled")} == {
        ("variance_share", None),
        ("r2_pooled", "knn"),
    }, "the model's own head reads no erased embedding"
    # By the model's own embedding of the pairs' images.
    design = share_designs(read)["color"]
    expected = []
    for pairs in embedder.contexts.of("rotation"):
        ends = (embedder.model.embed_features(embedder.model.encode(images[:3])) for images in (pairs.source, pairs.target))
        z = torch.stack([F.normalize(end, dim=-1) for end in ends], dim=1)
        erased_test = erase_differences(z)(embedder.unit(read, ContextPoint(None, 0, 0)))
        expected.append(variance_share(erased_test, design, item_folds(read)))
    (found,) = (row for row in rows if (row.context, row.metric, row.factor) == (ERASED, "variance_share", "color"))
    assert found.mean == pytest.approx(sum(expected) / 2, abs=1e-4)
    names = [name for name, _ in erasers(embedder, replace(ContextPoint("rotation", 6, 0), length=2))]
    assert names == [ERASED, f"{ERASED}, 90 %", f"{ERASED}, LEACE"]
