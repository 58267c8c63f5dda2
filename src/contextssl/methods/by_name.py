"""The in-context model, given the environment's name instead of a context."""

from __future__ import annotations

from functools import partial

from contextssl.method import Method, Model, Parts
from contextssl.methods import in_context


def model(parts: Parts) -> Model:
    from contextssl.models.build import in_context_model
    from contextssl.models.conditional import Conditional

    return in_context_model(parts, partial(Conditional, context=parts.settings.context))


METHOD = Method(
    "conditional",
    "context",
    model=model,
    objective=in_context.objective,
    title="conditional (environment by name)",
    place=14,
    by_name=True,
    # It has no context pairs to mask.
    reads=tuple(name for name in in_context.READS if name not in ("random_mask", "mask_prob")),
)
