"""SimCLR+: SimCLR's loss on the in-context transformer, without actions."""

from __future__ import annotations

from typing import Any

from contextssl.method import IN_CONTEXT, Loss, Method, PublishedRow, Settings
from contextssl.methods import in_context


def objective(settings: Settings, own: Any) -> Loss:
    from contextssl.training.loss import Objective, clamp_of

    return Objective(settings.temperature, clamp_of(settings), invariant=True)


METHOD = Method(
    "simclr+",
    "invariance",
    model=in_context.without_actions,
    objective=objective,
    title="SimCLR+",
    place=4,
    contexts=True,
    source="Gupta et al., 2024",
    reads=(*IN_CONTEXT, "bottleneck", "clamp_similarities", "temperature"),
    published=(
        PublishedRow(1, "invariance", "SimCLR+ (c = 0)", 0.478, 0.070, 0.834),
        PublishedRow(2, "invariance", "SimCLR+", 0.247, 0.464, 0.423),
    ),
)
