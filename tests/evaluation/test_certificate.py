"""Bounds for one factor: against channels solved by hand, and against what is known of a flipped bit."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contextssl.evaluation.certificate import factor_nats, flipped_nats, redrawn_nats
from contextssl.factors import COLOR, Factor


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_linear_gaussian_channel_is_met() -> None:
    """z = A c + B u with c, u Gaussian: I(c; z̃ | u) = ½ log det(I + A Aᵀ / σ²), which is the bound itself."""
    a, b = random(6, 2), random(6, 3, seed=1)
    u = random(200_000, 3, seed=2)
    z, again = (random(200_000, 2, seed=seed) @ a.T + u @ b.T for seed in (3, 4))
    for deviation in (0.3, 1.0, 4.0):
        known = 0.5 * float(torch.logdet(torch.eye(6, dtype=torch.float64) + a @ a.T / deviation**2))
        assert redrawn_nats(again - z, deviation) == pytest.approx(known, rel=0.02)
        # Without the rest no probe learns more: I(c; z̃) = ½ log det(Σ) - ½ log det(Σ - A Aᵀ).
        noise = deviation**2 * torch.eye(6, dtype=torch.float64)
        alone = 0.5 * float(torch.logdet(a @ a.T + b @ b.T + noise) - torch.logdet(b @ b.T + noise))
        assert alone < redrawn_nats(again - z, deviation)


def test_what_does_not_move_tells_nothing_and_more_noise_tells_less() -> None:
    assert redrawn_nats(torch.zeros(50, 4), 0.1) == pytest.approx(0, abs=1e-12)
    moved = random(50, 8)
    for bound in (redrawn_nats, flipped_nats):
        values = [bound(moved, deviation) for deviation in (0.01, 0.1, 1.0, 10.0, 100.0)]
        assert values == sorted(values, reverse=True) and values[0] > values[-1] > 0
        assert bound(moved, 0.0) == math.inf
    # Of fewer views than dimensions it is the same number.
    wide = random(5, 40)
    product = wide.T @ wide / 10
    assert redrawn_nats(wide, 0.5) == pytest.approx(0.5 * float(torch.logdet(torch.eye(40, dtype=torch.float64) + product / 0.25)))
    assert redrawn_nats(moved, 1.0, same_distribution=False) > redrawn_nats(moved, 1.0)


def test_a_flipped_bit() -> None:
    """Two points a distance d apart under noise σ: the bound is ½ log(1 + d² / 4σ²), and no probe learns more."""
    moved = torch.zeros(10, 3)
    moved[:, 1] = 0.8
    assert flipped_nats(moved, 1.0) == pytest.approx(0.5 * math.log1p(0.16), abs=1e-6)
    assert flipped_nats(100 * moved, 1.0) == pytest.approx(math.log(2))
    # The information itself, by integrating over the noisy value: below the bound, and close to it where the points are close.
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    parts = [torch.exp(-0.5 * (x - place) ** 2) / math.sqrt(2 * math.pi) for place in (-0.4, 0.4)]
    mixture = (parts[0] + parts[1]) / 2
    entropy = float(torch.trapezoid(-mixture * mixture.log(), x))
    information = entropy - 0.5 * math.log(2 * math.pi * math.e)
    assert 0.97 * flipped_nats(moved, 1.0) < information <= flipped_nats(moved, 1.0) + 1e-9


def test_each_kind_of_factor() -> None:
    moved = random(100, 6)
    assert factor_nats(COLOR, moved, 0.7) == redrawn_nats(moved, 0.7)
    sex, race = Factor("sex", 2, "category"), Factor("race", 5, "category")
    # Half of the redrawn bits are the same as before, and such a view stays where it is.
    half = torch.cat([moved, torch.zeros(100, 6)])
    assert factor_nats(sex, half, 2.0) == pytest.approx(flipped_nats(moved, 2.0))
    assert factor_nats(race, moved, 0.01) == pytest.approx(math.log(5))
    assert factor_nats(race, moved, 50.0) == pytest.approx(redrawn_nats(moved, 50.0, same_distribution=False))
    assert factor_nats(sex, moved, 0.0) == math.inf
