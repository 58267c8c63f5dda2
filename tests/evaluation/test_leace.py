"""Linear erasure: nothing linear is left, nothing more than needed is changed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.evaluation.leace import fit_erasure


def data(seed: int, count: int = 200, width: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randint(3, (count,), generator=generator)
    mix = torch.randn(width, width, generator=generator, dtype=torch.float64)
    x = torch.randn(count, width, generator=generator, dtype=torch.float64) @ mix
    x = x + F.one_hot(z, 3).double() @ torch.randn(3, width, generator=generator, dtype=torch.float64)
    return x, F.one_hot(z, 3).double()


def covariance(x: Tensor, z: Tensor) -> Tensor:
    return (x - x.mean(0)).T @ (z - z.mean(0)) / len(x)


@given(st.integers(0, 10_000))
def test_nothing_linear_is_left(seed: int) -> None:
    x, z = data(seed)
    assert covariance(x, z).abs().max() > 1e-3
    assert covariance(fit_erasure(x, z)(x), z).abs().max() < 1e-10


@given(st.integers(0, 1000))
def test_no_other_erasure_of_the_kind_moves_less(seed: int) -> None:
    """Against the orthogonal projection off the columns of Σxz, which erases as well."""
    x, z = data(seed)
    moved = (fit_erasure(x, z)(x) - x).square().sum()
    basis = torch.linalg.svd(covariance(x, z), full_matrices=False)
    basis_u = basis.U[:, basis.S > 1e-9]
    centred = x - x.mean(0)
    assert covariance(x - centred @ basis_u @ basis_u.T, z).abs().max() < 1e-9
    assert moved <= (centred @ basis_u @ basis_u.T).square().sum() * (1 + 1e-9)


def test_by_hand() -> None:
    """White numbers, one of which is the concept: it alone goes, to its mean."""
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    erased = fit_erasure(x, x[:, :1])(x)
    assert torch.allclose(erased, torch.stack([torch.zeros(4), x[:, 1]], dim=1), atol=1e-6) and erased.dtype == x.dtype


def test_a_concept_of_one_value_and_flat_directions_are_left() -> None:
    x, z = data(0)
    assert torch.allclose(fit_erasure(x, torch.ones(200, 1))(x), x)
    flat = torch.cat([x, torch.full((200, 1), 3.0, dtype=torch.float64)], dim=1)
    assert torch.allclose(fit_erasure(flat, z)(flat)[:, -1], flat[:, -1])
    few = fit_erasure(x[:4], z[:4])
    assert bool(few(x).isfinite().all())
