"""Ridge regression in closed form: a probe that needs no training, and a stronger one than those trained for a limited time.

Everything it needs of the data are sums of products, so one pass serves all targets and all penalties. The penalty of each group of targets
is chosen on held-out rows of the training split, never on what is reported; the weights are then fitted to all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contextssl.evaluation.metrics import first_largest

# Penalties, in units of the mean variance of an input dimension × the number of rows: half a decade apart.
PENALTIES = tuple(10 ** (exponent / 2) for exponent in range(-16, 5))


def exact_device(device: torch.device) -> torch.device:
    """Where double precision is computed: Apple's GPUs have none."""
    return torch.device("cpu") if device.type == "mps" else device


@contextmanager
def one_thread() -> Iterator[None]:
    """One processor thread for an eigendecomposition: on a busy machine several wait for each other at each of its many small steps."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Ridge:
    """A fitted regression: ``weight`` (d, t), ``bias`` (t,), and the penalty that each group of targets was given."""

    weight: Float[Tensor, "d t"]
    bias: Float[Tensor, " t"]
    penalties: tuple[float, ...]

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n t"]:
        return (x.to(self.weight) @ self.weight + self.bias).float()


@dataclass(frozen=True)
class _Moments:
    """Sums over n rows of x, y and their products."""

    n: int
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> _Moments:
        x, y = x.double(), y.double()
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y, y.square().sum(0))

    def __add__(self, other: _Moments) -> _Moments:
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("x", "y", "xx", "xy", "yy"))
        return _Moments(self.n + other.n, *(a + b for a, b in pairs))

    def about(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of products of deviations from the given points: xx (d, d), xy (d, t), yy (t,)."""
        xx = self.xx - torch.outer(self.x, x) - torch.outer(x, self.x) + self.n * torch.outer(x, x)
        xy = self.xy - torch.outer(self.x, y) - torch.outer(x, self.y) + self.n * torch.outer(x, y)
        return xx, xy, self.yy - 2 * self.y * y + self.n * y.square()


def fit_ridge(x: Float[Tensor, "n d"], y: Float[Tensor, "n t"], held_out: Bool[Tensor, " n"], groups: Sequence[slice]) -> Ridge:
    """Fit all targets at once, with an intercept that is not penalised.

    Args:
        held_out: the rows that penalties are chosen on; at least one row is, and one is not.
        groups: columns of ``y`` that share a penalty, the one with the least squared error on the held-out rows.
    """
    rest, held = _Moments.of(x[~held_out], y[~held_out]), _Moments.of(x[held_out], y[held_out])
    mean_x, mean_y = rest.x / rest.n, rest.y / rest.n
    xx, xy, _ = rest.about(mean_x, mean_y)
    held_xx, held_xy, held_yy = held.about(mean_x, mean_y)
    with one_thread():
        values, vectors = torch.linalg.eigh(xx)
    values = values.clamp(min=0)
    xy, held_xy, held_xx = vectors.T @ xy, vectors.T @ held_xy, vectors.T @ held_xx @ vectors
    unit = float(values.mean()) or 1.0
    errors = []
    for penalty in PENALTIES:
        weight = xy / (values + penalty * unit)[:, None]
        errors.append(held_yy - 2 * (weight * held_xy).sum(0) + (weight * (held_xx @ weight)).sum(0))
    error = torch.stack(errors)
    every = rest + held
    mean_x, mean_y = every.x / every.n, every.y / every.n
    xx, xy, _ = every.about(mean_x, mean_y)
    unit = float(xx.diagonal().mean()) or 1.0
    weight = torch.empty_like(xy)
    chosen = []
    for group in groups:
        # Of those that do as well within rounding, as where nothing can be predicted, the first.
        penalty = PENALTIES[int(first_largest(-error[:, group].sum(1)[None], tolerance=1e-9))]
        chosen.append(penalty)
        weight[:, group] = torch.linalg.solve(xx + penalty * unit * torch.eye(len(xx), dtype=xx.dtype, device=xx.device), xy[:, group])
    return Ridge(weight, mean_y - mean_x @ weight, tuple(chosen))
