"""How much each factor counts in distances between embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from contextssl.config.evaluation_settings import SINGLE_VIEWS
from contextssl.metric import Metric
from contextssl.protocol import Column, Protocol, both_r2

if TYPE_CHECKING:
    from contextssl.protocol import Averaged, Grid, Picture, Plan, ResultRow, Run, Section

VARIANCE_SHARE = Metric(
    "variance_share",
    "variance share",
    "cross-fitted R² of least squares from a polynomial basis of the factor to the embedding, over all dimensions",
)


class Geometry(Protocol):
    name = "geometry"
    intro = "The share of the embedding's variance that each factor explains, factor sensitivity, and kNN regression."
    place = 3
    in_all = True
    reads_values = True
    reads = (*SINGLE_VIEWS, "bottleneck", "neighbours", "sensitivity_items", "sensitivity_views")
    metrics = (
        VARIANCE_SHARE,
        Metric(
            "sensitivity",
            definition="mean squared distance when the factor is drawn anew and the rest kept as it is, over that to another item's view",
        ),
        Metric(
            "factor_nats",
            "bound, nats",
            "½ log det(I + C / noise), C the mean covariance of the embedding when that factor alone is drawn anew: an upper bound on "
            "the information of one noisy embedding about it, where it is drawn independently of the rest (else: given the rest); two embeddings "
            "with independent noise hold more",
            digits=2,
        ),
    )
    columns = (
        Column("variance_share", None, "share"),
        Column("sensitivity", None, "moves"),
        *both_r2("knn", "kNN"),
        Column("factor_nats", None, "nats ≤"),
    )
    all_representations = False

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.sensitivity import render_variations
        from contextssl.evaluation.variance_share import geometry_rows

        settings, variations = plan.settings, None
        if settings.sensitivity_items > 0:
            plan.embedder.progress("rendering views with one factor changed")
            variations, note = render_variations(
                plan.test, plan.source, max_items=settings.sensitivity_items, per_item=settings.sensitivity_views, seed=settings.seed
            )
            if note is not None:
                plan.notes.append(note)
                warnings.warn(note, UserWarning, stacklevel=2)
        return geometry_rows(plan.single_views, plan.points, shares=settings.bottleneck, k=settings.neighbours, variations=variations)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        from contextssl.report import figures

        return {"adaptation": figures.adaptation(runs), "sensitivity": figures.sensitivity(runs)}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import sections

        return (sections.adaptation(runs, pictures, factors),)

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        """Its numbers stand in the table of the probes."""
        return ()


PROTOCOL = Geometry()
