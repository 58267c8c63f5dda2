"""Ridge regression, solved exactly: the strongest reader here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.head import Head

if TYPE_CHECKING:
    from torch import Tensor

    from contextssl.head import ToRead


def _fit(asked: ToRead) -> Tensor:
    from contextssl.evaluation.ridge import exact_device, fit_ridge

    exact = exact_device(asked.device)
    ridge = fit_ridge(asked.train.to(exact), asked.targets.to(exact), asked.held_out.to(exact), asked.groups)
    return ridge.predict(asked.test.to(exact)).cpu()


HEAD = Head(
    "ridge",
    "fresh ridge",
    "ridge",
    "ridge regression",
    "penalty chosen on a fifth of the training items, for each factor; then fitted to all of them",
    fit=_fit,
    place=4,
)
