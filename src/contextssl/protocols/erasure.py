"""Concept erasure: what is left of a factor that is linearly erased from frozen features, a baseline without context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from contextssl.config.evaluation_settings import SINGLE_VIEWS
from contextssl.protocol import Column, Protocol, both_r2
from contextssl.protocols.geometry import VARIANCE_SHARE

if TYPE_CHECKING:
    from contextssl.protocol import Averaged, Grid, Plan, ResultRow


class Erasure(Protocol):
    name = "erasure"
    intro = "Concept erasure (LEACE) of the inactive factors from frozen features, then probes: a baseline without context."
    place = 5
    reads_values = True
    reads = ("heads", *SINGLE_VIEWS, "bottleneck", "neighbours")
    definitions: ClassVar[Mapping[str, str]] = {
        VARIANCE_SHARE.name: VARIANCE_SHARE.definition,
        "erased-context, erased-train, erased-train-basis": "features after linear erasure (LEACE) of the inactive factors, fitted "
        "on a context's pairs, on all training views, on polynomials of the factors there",
    }
    columns = (Column("variance_share", None, "share"), *both_r2("knn", "kNN"), *both_r2("ridge", "ridge"))

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.contexts import REPORTED_LENGTH
        from contextssl.evaluation.erased import erasure_rows

        settings, model, factors = plan.settings, plan.embedder.model, plan.test.factors
        # Kept are the factors that a context would make active; for a method without contexts, each factor alone.
        asked = model.longest_context or model.takes_environment_name
        names = [environment.name for environment in plan.environments] if asked else list(factors.names)
        longest = 2 * plan.embedder.contexts.pairs
        lengths = [length for length in plan.lengths if length] or [min(REPORTED_LENGTH, longest), longest]
        remain = [factors.environment(name) for name in names]
        return erasure_rows(plan.single_views, remain, lengths, heads=plan.heads, shares=settings.bottleneck, k=settings.neighbours)

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        from contextssl.report.comparison_tables import erasure_table

        return (erasure_table(entries, factors),)


PROTOCOL = Erasure()
