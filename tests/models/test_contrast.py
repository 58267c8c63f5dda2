"""Contrast against a slow, obvious loop, and against cases solved by hand; in chunks as in one."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.models.contrast import alike_in_context, in_other_sequences, item_contrast, mean_similarities, nt_xent, tokens


def naive_nt_xent(z: torch.Tensor, temperature: float, clamp: float | None) -> float:
    tokens = [z[k, side] for k in range(len(z)) for side in (0, 1)]

    def similarity(i: int, j: int) -> float:
        cosine = float(tokens[i] @ tokens[j] / (tokens[i].norm() * tokens[j].norm()))
        return (cosine if clamp is None else max(cosine, clamp)) / temperature

    total = 0.0
    for i in range(len(tokens)):
        partner = i + 1 if i % 2 == 0 else i - 1
        others = sum(math.exp(similarity(i, j)) for j in range(len(tokens)) if j != i)
        total += -math.log(math.exp(similarity(i, partner)) / others)
    return total / len(tokens)


@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([None, 1e-7]))
def test_nt_xent_is_the_loop(seed: int, pairs: int, temperature: float, clamp: float | None) -> None:
    z = torch.randn(pairs, 2, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert float(nt_xent(z, temperature, clamp)) == pytest.approx(naive_nt_xent(z, temperature, clamp), rel=1e-4)


def test_nt_xent_by_hand() -> None:
    # Two pairs on orthogonal axes: each token has cosine 1 with its partner and 0 with the two others.
    z = torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [0.0, 1.0]]])
    assert float(nt_xent(z, 1.0)) == pytest.approx(-math.log(math.e / (math.e + 2)))


def test_clamped_negatives_have_no_gradient() -> None:
    z = torch.tensor([[[1.0, 0.1], [1.0, 0.0]], [[-1.0, 0.0], [-1.0, 0.1]]], requires_grad=True)
    (clamped,) = torch.autograd.grad(nt_xent(z, 0.1, clamp=1e-7), z)
    (free,) = torch.autograd.grad(nt_xent(z, 0.1), z)
    assert not torch.allclose(clamped, free)
    # With every negative below the floor, a token is moved by its partner alone, along (partner minus its own part of it).
    own, partner = torch.nn.functional.normalize(z.detach()[0], dim=-1)
    along = partner - (partner @ own) * own
    cosine = torch.nn.functional.cosine_similarity(-clamped[0, 0], along, dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-4)


def test_cosines_are_float32_under_autocast() -> None:
    z = torch.randn(4, 2, 16).bfloat16()
    outside = nt_xent(z, 0.01)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = nt_xent(z, 0.01)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, outside)


@given(st.integers(0, 1000), st.integers(2, 5))
def test_mean_similarities_are_the_loop(seed: int, pairs: int) -> None:
    unit = tokens(torch.randn(pairs, 2, 6, generator=torch.Generator().manual_seed(seed)))
    cosines, n = unit @ unit.T, 2 * pairs
    positive = [float(cosines[2 * k, 2 * k + 1]) for k in range(pairs)]
    negative = [float(cosines[i, j]) for i in range(n) for j in range(n) if i // 2 != j // 2]
    ours = mean_similarities(unit)
    assert float(ours[0]) == pytest.approx(sum(positive) / len(positive), abs=1e-5)
    assert float(ours[1]) == pytest.approx(sum(negative) / len(negative), abs=1e-5)


def test_views_that_count_as_the_same_are_no_negatives() -> None:
    """Two items, two pairs each; a pose and a colour. In a context of poses, a view of the same item and pose counts as the same."""
    items = torch.tensor([0, 0, 1, 1])
    #            pair 0 (pose 1)   pair 1 (nothing)  pair 2 (pose 1)   pair 3 (colour 5)
    latents = torch.tensor([[[1, 5], [1, 6]], [[1, 7], [2, 8]], [[1, 5], [1, 6]], [[3, 5], [4, 5]]]).float()
    active = torch.tensor([[True, False], [False, False], [True, False], [False, True]])
    alike = alike_in_context(items, latents, active)
    naive = torch.zeros(8, 8, dtype=torch.bool)
    values, of, counted = latents.flatten(0, 1), items.repeat_interleave(2), active.repeat_interleave(2, dim=0)
    for i in range(8):
        for j in range(8):
            naive[i, j] = of[i] == of[j] and all(values[i, k] == values[j, k] for k in range(2) if counted[i, k])
    assert torch.equal(alike, naive)
    # The first view: its partner, and the first view of the second pair, which has the same pose; not the second, which has not.
    assert alike[0].nonzero()[:, 0].tolist() == [0, 1, 2]
    # Where no factor is active, every view of the item; in a context of colours, only those of the same.
    assert alike[2].nonzero()[:, 0].tolist() == [0, 1, 2, 3] and alike[6].nonzero()[:, 0].tolist() == [4, 6, 7]
    z = torch.randn(4, 2, 8, generator=torch.Generator().manual_seed(0))
    cosines = tokens(z) @ tokens(z).T
    expected = 0.0
    for i in range(8):
        others = [j for j in range(8) if j == i ^ 1 or not naive[i, j]]
        expected -= math.log(float((cosines[i, i ^ 1] / 0.1).exp() / (cosines[i, others] / 0.1).exp().sum()))
    assert float(nt_xent(z, 0.1, left_out=[lambda rows: alike[rows]])) == pytest.approx(expected / 8, rel=1e-4)


def test_contrast_within_sequences_is_the_mean_of_their_losses() -> None:
    z = torch.randn(7, 2, 8, generator=torch.Generator().manual_seed(0))
    whole = nt_xent(z, 0.2, left_out=[lambda rows: in_other_sequences(7, 3, z.device, rows)])
    # Sequences of three, three and one pair; a pair alone has nothing to be told from.
    parts = [nt_xent(z[:3], 0.2) * 3, nt_xent(z[3:6], 0.2) * 3, torch.tensor(0.0)]
    torch.testing.assert_close(whole, torch.stack(parts).sum() / 7)


def naive_item_contrast(z: Tensor, items: list[int], temperature: float) -> float:
    n = len(z)
    of_token = []
    for i in range(n):
        similar = [float(z[i] @ z[j] / (z[i].norm() * z[j].norm())) / temperature for j in range(n)]
        others = sum(math.exp(similar[j]) for j in range(n) if j != i)
        same = [-math.log(math.exp(similar[j]) / others) for j in range(n) if j != i and items[j] == items[i]]
        if same:
            of_token.append(sum(same) / len(same))
    return sum(of_token) / len(of_token) if of_token else 0.0


@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=2, max_size=9), st.sampled_from([0.1, 0.5, 1.0]))
def test_item_contrast_is_the_loop(seed: int, items: list[int], temperature: float) -> None:
    z = torch.randn(len(items), 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = float(item_contrast(z, torch.tensor(items), temperature))
    assert found == pytest.approx(naive_item_contrast(z, items, temperature), rel=1e-4, abs=1e-6)


def test_item_contrast_by_hand() -> None:
    # Two items on orthogonal axes, two views each, and a view alone that counts for nothing but stands among the others.
    z = torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert float(item_contrast(z, torch.tensor([0, 0, 1, 1, 2]), 1.0)) == pytest.approx(-math.log(math.e / (math.e + 3)))


def test_item_contrast_of_views_without_another_has_no_gradient_and_no_nan() -> None:
    z = torch.randn(3, 4, requires_grad=True)
    loss = item_contrast(z, torch.tensor([0, 1, 2]), 0.1)
    (gradient,) = torch.autograd.grad(loss, z)
    assert float(loss.detach()) == 0 and bool((gradient == 0).all())


@given(st.integers(0, 1000), st.integers(2, 9), st.integers(1, 400), st.sampled_from([None, 1e-7]), st.booleans())
def test_in_chunks_loss_and_gradient_are_those_of_one(seed: int, pairs: int, entries: int, clamp: float | None, apart: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(pairs, 2, 5, generator=generator, requires_grad=True)
    items, active = torch.randint(3, (pairs,), generator=generator), torch.rand(pairs, 2, generator=generator) < 0.5
    latents = torch.randint(2, (pairs, 2, 2), generator=generator).float()

    def losses(entries: int) -> list[Tensor]:
        left_out = [lambda rows: alike_in_context(items, latents, active, rows)] if apart else []
        one = nt_xent(z, 0.2, clamp, None if apart else items, left_out, entries=entries)
        return [one, item_contrast(z.flatten(0, 1), items.repeat_interleave(2), 0.2, entries=entries)]

    for whole, chunked in zip(losses(10**6), losses(entries), strict=True):
        torch.testing.assert_close(chunked, whole)
        gradients = [torch.autograd.grad(3 * loss, z, retain_graph=True)[0] for loss in (whole, chunked)]
        torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(nt_xent(z, 0.2, clamp, entries=entries), nt_xent(z, 0.2, clamp))


def test_a_gradient_through_the_tokens_reaches_what_they_are_made_of() -> None:
    """In chunks the gradient is made in the forward pass: what comes before it still gets its own."""
    weight = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    views = torch.randn(8, 2, 6, generator=torch.Generator().manual_seed(1))
    found = []
    for entries in (1000, 40):
        (gradient,) = torch.autograd.grad(nt_xent(views @ weight, 0.5, entries=entries), weight)
        found.append(gradient)
    torch.testing.assert_close(found[1], found[0])


GROWTH = """
import torch
from contextssl.models.contrast import nt_xent
from contextssl.system.memory import peak_memory_mib

def made(pairs):
    z = torch.randn(pairs, 2, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    torch.autograd.grad(nt_xent(z, 0.1, entries=2**20), z)

made(128)
before = peak_memory_mib()
made(4096)
print(peak_memory_mib() - before)
"""


def test_memory_does_not_grow_with_the_number_of_chunks() -> None:
    # 64 chunks of arrays of 4 MiB. Where each leaves anything behind that lies between its arrays, their memory is not used again: 390 MiB.
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200
