"""Ridge regression, solved exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.head import Head, ProbeData

if TYPE_CHECKING:
    from torch import Tensor


def _fit(data: ProbeData) -> Tensor:
    from contextssl.evaluation.ridge_regression import exact_device, fit_ridge

    exact = exact_device(data.device)
    ridge = fit_ridge(data.train.to(exact), data.targets.to(exact), data.held_out.to(exact), data.groups)
    return ridge.predict(data.test.to(exact)).cpu()


HEAD = Head(
    "ridge",
    "fresh ridge",
    "ridge",
    "ridge regression",
    "penalty chosen on a fifth of the training items, per factor; then fitted to all of them",
    fit=_fit,
    place=4,
)
