"""VICReg+: VICReg's loss on the in-context transformer, without actions."""

from __future__ import annotations

from typing import Any

from contextssl.method import IN_CONTEXT, Loss, Method, PublishedRow, Settings
from contextssl.methods import in_context


def objective(settings: Settings, own: Any) -> Loss:
    from contextssl.models.baselines.invariance import coefficients_of
    from contextssl.training.loss import Objective

    return Objective(vicreg=coefficients_of(settings), invariant=True)


METHOD = Method(
    "vicreg+",
    "invariance",
    model=in_context.without_actions,
    objective=objective,
    title="VICReg+",
    place=5,
    contexts=True,
    source="Gupta et al., 2024",
    reads=(*IN_CONTEXT, "vicreg_coefficients"),
    published=(PublishedRow(4, "invariance", "VICReg+ (c = 0)", 0.356, 0.062, 0.733),),
)
