"""Each loss against a slow, obvious loop, and against a case solved by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.models.objectives import (
    auxiliary_regression,
    covariance_penalty,
    inactive_alignment,
    negative_cosine,
    sie,
    variance_hinge,
    vicreg,
)

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
