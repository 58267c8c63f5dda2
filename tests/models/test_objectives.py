"""Each loss against a slow, obvious loop, and against a case solved by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.models.objectives import (
    alike_in_context,
    auxiliary_regression,
    cosine_similarities,
    covariance_penalty,
    in_other_sequences,
    inactive_alignment,
    item_contrast,
    mean_similarities,
    negative_cosine,
    nt_xent,
    nt_xent_from_similarities,
    sie,
    variance_hinge,
    vicreg,
)


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


def test_similarities_are_float32_under_autocast() -> None:
    z = torch.randn(4, 2, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cosines = cosine_similarities(z.bfloat16())
    assert cosines.dtype == torch.float32
    torch.testing.assert_close(cosines.diagonal(), torch.ones(8))


@given(st.integers(0, 1000), st.integers(2, 5))
def test_mean_similarities_are_the_loop(seed: int, pairs: int) -> None:
    cosines = cosine_similarities(torch.randn(pairs, 2, 6, generator=torch.Generator().manual_seed(seed)))
    n = 2 * pairs
    positive = [float(cosines[2 * k, 2 * k + 1]) for k in range(pairs)]
    negative = [float(cosines[i, j]) for i in range(n) for j in range(n) if i // 2 != j // 2]
    ours = mean_similarities(cosines)
    assert float(ours[0]) == pytest.approx(sum(positive) / len(positive), abs=1e-5)
    assert float(ours[1]) == pytest.approx(sum(negative) / len(negative), abs=1e-5)


ROTATION_AND_COLOR = (slice(0, 4), slice(4, 6))


def naive_auxiliary(prediction: torch.Tensor, latents: torch.Tensor, active: torch.Tensor, factors: tuple[slice, ...]) -> float:
    pairs = []
    for k in range(len(prediction)):
        means = []
        for block in factors:
            block_numbers = [i for i in range(latents.shape[1])[block] if active[k, i]]
            errors = [float((prediction[k, token, i] - latents[k, i]) ** 2) for token in (0, 1) for i in block_numbers]
            means += [sum(errors) / len(errors)] if errors else []
        if means:
            pairs.append(sum(means))
    return sum(pairs) / len(pairs) if pairs else 0.0


@given(st.integers(0, 1000), st.integers(1, 6))
def test_auxiliary_regression_is_the_loop(seed: int, pairs: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    prediction, latents = torch.randn(pairs, 2, 6, generator=generator), torch.randn(pairs, 6, generator=generator)
    blocks = torch.rand(pairs, 2, generator=generator) < 0.5
    active = torch.cat([blocks[:, :1].expand(-1, 4), blocks[:, 1:].expand(-1, 2)], dim=1)
    found = float(auxiliary_regression(prediction, latents, active, ROTATION_AND_COLOR))
    assert found == pytest.approx(naive_auxiliary(prediction, latents, active, ROTATION_AND_COLOR), rel=1e-4)


def test_auxiliary_regression_by_hand() -> None:
    prediction = torch.tensor([[[1.0, 5.0, 1.0], [3.0, 5.0, 1.0]], [[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]], [[9.0, 9.0, 9.0], [9.0, 9.0, 9.0]]])
    latents, factors = torch.zeros(3, 3), (slice(0, 1), slice(1, 3))
    active = torch.tensor([[True, False, False], [False, True, True], [False, False, False]])
    # Pair 0: (1 + 9) / 2 = 5 of the first factor; pair 1: (4 + 16) / 2 = 10 of the second; pair 2 tells nothing and does not count.
    assert float(auxiliary_regression(prediction, latents, active, factors)) == pytest.approx(7.5)
    # Both factors active: pair 0 is 5 + (25 + 1) / 2 = 18, the sum of the factors' means and not the mean over the three numbers.
    both = torch.ones(1, 3, dtype=torch.bool)
    assert float(auxiliary_regression(prediction[:1], latents[:1], both, factors)) == pytest.approx(18.0)
    assert float(auxiliary_regression(prediction, latents, torch.zeros(3, 3, dtype=torch.bool), factors)) == 0.0


def test_inactive_factors_have_no_gradient() -> None:
    prediction = torch.randn(3, 2, 6, requires_grad=True)
    active = torch.tensor([True] * 4 + [False] * 2).expand(3, -1)
    (gradient,) = torch.autograd.grad(auxiliary_regression(prediction, torch.randn(3, 6), active, ROTATION_AND_COLOR), prediction)
    assert (gradient[..., :4] != 0).all()
    assert (gradient[..., 4:] == 0).all()


def naive_inactive(unit: Tensor, action: Tensor, exact: Tensor | None) -> float:
    apart = []
    for k in range(len(unit)):
        if any(float(value) != 0 for value in action[k]) or (exact is not None and not bool(exact[k])):
            continue
        apart.append(sum(float((a - b) ** 2) for a, b in zip(unit[k, 0], unit[k, 1], strict=True)))
    return sum(apart) / len(apart) if apart else 0.0


@given(st.integers(0, 10_000))
def test_inactive_alignment_against_a_loop(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    unit = torch.nn.functional.normalize(torch.randn(9, 2, 5, generator=generator), dim=-1)
    action = torch.randn(9, 2, generator=generator) * (torch.rand(9, 1, generator=generator) < 0.5)
    exact = torch.rand(9, generator=generator) < 0.6
    assert math.isclose(float(inactive_alignment(unit, action, exact)), naive_inactive(unit, action, exact), abs_tol=1e-5)
    assert math.isclose(float(inactive_alignment(unit, action)), naive_inactive(unit, action, None), abs_tol=1e-5)


def test_inactive_alignment_by_hand() -> None:
    """Pair 0 is at right angles, no factor active: 2. In pair 1 an active one changes, pair 2 differs in more than factors: neither counts."""
    unit = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]], requires_grad=True)
    action = torch.tensor([[0.0], [1.0], [0.0]])
    loss = inactive_alignment(unit, action, torch.tensor([True, True, False]))
    assert float(loss.detach()) == 2.0
    (gradient,) = torch.autograd.grad(loss, unit)
    assert (gradient[0] != 0).any() and (gradient[1:] == 0).all()
    assert float(inactive_alignment(unit.detach(), torch.ones(3, 1))) == 0.0


def test_variance_and_covariance_by_hand() -> None:
    # Deviations (n - 1) √2 and √(1/2); the one covariance is 1.
    z = torch.tensor([[0.0, 0.0], [2.0, 1.0]])
    assert float(variance_hinge(z)) == pytest.approx((1 - math.sqrt(0.5 + 1e-4)) / 2, rel=1e-5)
    assert float(covariance_penalty(z)) == pytest.approx(2 * 1.0**2 / 2)
    assert float(variance_hinge(torch.zeros(4, 3))) == pytest.approx(1 - 1e-2)


def test_vicreg_of_equal_spread_and_uncorrelated_ends_is_nothing() -> None:
    corners = 2 * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    found = vicreg(torch.stack([corners, corners], dim=1))
    assert {name: float(loss) for name, loss in found.items()} == {"invariance": 0.0, "variance": 0.0, "covariance": 0.0}
    apart = vicreg(torch.stack([corners, corners + 1], dim=1))
    assert float(apart["invariance"]) == pytest.approx(10.0)


def test_sie_by_hand() -> None:
    # Invariant halves 1 apart, the prediction 2 off; all deviations 0, so each hinge is 1 - √1e-4 = 0.99; nothing covaries.
    invariant = torch.tensor([[[0.0], [1.0]]]).expand(4, -1, -1)
    equivariant = torch.tensor([[[0.0], [2.0]]]).expand(4, -1, -1)
    found = sie(invariant, equivariant, torch.zeros(4, 1), (10.0, 6.0, 1.0), 0.45)
    expected = {"invariance": 10.0, "equivariance": 10 * 0.45 * 4, "variance": 6 * 0.99, "predicted_variance": 3 * 0.99, "covariance": 0.0}
    assert {name: float(loss) for name, loss in found.items()} == pytest.approx(expected, rel=1e-5)


def test_negative_cosine_by_hand_gives_the_target_no_gradient() -> None:
    prediction = torch.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    target = torch.tensor([[3.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = negative_cosine(prediction, target)
    assert float(loss.detach()) == pytest.approx((0 + 2) / 2)
    loss.backward()
    assert target.grad is None and prediction.grad is not None


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
    cosines = cosine_similarities(z)
    expected = 0.0
    for i in range(8):
        others = [j for j in range(8) if j == i ^ 1 or not naive[i, j]]
        expected -= math.log(float((cosines[i, i ^ 1] / 0.1).exp() / (cosines[i, others] / 0.1).exp().sum()))
    assert float(nt_xent_from_similarities(cosines, 0.1, left_out=alike)) == pytest.approx(expected / 8, rel=1e-4)


def test_contrast_within_sequences_is_the_mean_of_their_losses() -> None:
    z = torch.randn(7, 2, 8, generator=torch.Generator().manual_seed(0))
    cosines = cosine_similarities(z)
    whole = nt_xent_from_similarities(cosines, 0.2, left_out=in_other_sequences(7, 3, z.device))
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
