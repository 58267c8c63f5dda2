from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from contextssl.errors import InputError
from contextssl.models.bottleneck import NoiseBottleneck


def unit_vectors(n: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(seed)) + 1, dim=-1)


def test_variance_is_that_of_the_loop() -> None:
    z = unit_vectors(50)
    bottleneck = NoiseBottleneck()
    bottleneck.observe(z)
    mean = z.mean(0)
    assert bottleneck.variance.item() == pytest.approx(sum(float(((row - mean) ** 2).sum()) for row in z) / 50, rel=1e-5)
    bottleneck.observe(torch.ones(50, 16))  # no variance: the mean over the first two batches is half
    assert bottleneck.variance.item() == pytest.approx(float(z.var(0, unbiased=False).sum()) / 2, rel=1e-5)


def test_variance_follows_slowly_later_on() -> None:
    bottleneck = NoiseBottleneck()
    for step in range(300):
        bottleneck.observe(unit_vectors(50, step))
    before = bottleneck.variance.item()
    bottleneck.observe(torch.ones(50, 16))
    assert bottleneck.variance.item() == pytest.approx(0.99 * before)


def test_noise_has_the_stated_share() -> None:
    z = unit_vectors(20_000)
    bottleneck = NoiseBottleneck()
    bottleneck.observe(z)
    noise = bottleneck(z, 0.3, torch.Generator().manual_seed(0)) - z
    assert (noise.var(0).sum() / z.var(0).sum()).item() == pytest.approx(0.3, rel=0.02)
    assert noise.var(0).max() / noise.var(0).min() < 1.1, "spread evenly over the dimensions"


def test_without_noise_nothing_changes_and_draws_follow_the_generator() -> None:
    z = unit_vectors(5)
    bottleneck = NoiseBottleneck()
    bottleneck.observe(z)
    assert bottleneck(z, 0.0) is z
    first, again = (bottleneck(z, 0.5, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, bottleneck(z, 0.5, torch.Generator().manual_seed(2)))


def test_a_share_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="measure_variance"):
        NoiseBottleneck().require_variance()
