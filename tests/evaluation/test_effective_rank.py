from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from contextssl.evaluation.effective_rank import effective_rank


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_it_is_that_of_the_covariances_eigenvalues(shape: tuple[int, int]) -> None:
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 2.0, shape[1])
    unit = F.normalize(z, dim=-1).double()
    values = torch.linalg.eigvalsh(torch.cov(unit.T))
    expected = float(sum(values) ** 2 / sum(value**2 for value in values))
    assert float(effective_rank(z)) == pytest.approx(expected, rel=1e-4)


def test_directions_are_counted() -> None:
    axes = torch.eye(8)[:4]
    assert float(effective_rank(torch.cat([axes, -axes]))) == pytest.approx(4.0, rel=1e-5), "four directions, each in both senses"
    assert float(effective_rank(torch.stack([axes[0], -axes[0], 3 * axes[0]]))) == pytest.approx(1.0, rel=1e-5), "length does not count"


def test_what_does_not_vary_has_none_whatever_the_rounding() -> None:
    one = F.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    rounded = one.expand(50, -1) + 1e-7 * torch.randn(50, 16, generator=torch.Generator().manual_seed(1))
    for z in (one.expand(50, -1), rounded):
        assert float(effective_rank(z)) == 0.0
