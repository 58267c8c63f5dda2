"""Probes of class and factors on single views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from contextssl.config.evaluation_settings import SINGLE_VIEWS, TRAINED_HEADS
from contextssl.metric import Metric
from contextssl.protocol import Column, Protocol, both_r2

if TYPE_CHECKING:
    from contextssl.protocol import Averaged, Grid, Picture, Plan, ResultRow, Run, Section


class Probe(Protocol):
    name = "probe"
    intro = "Probes of class and factor values on single views: trained heads, ridge, the model's own head, with and without noise."
    place = 2
    reads_values = True
    in_all = True
    reads = (*TRAINED_HEADS, *SINGLE_VIEWS, "bottleneck", "neighbours")
    epochs = 300
    metrics = (
        Metric(
            "capacity_nats",
            "bound on everything together, nats",
            "½ Σ log(1 + signal / noise) over principal directions: an upper bound on the information of one noisy embedding about everything "
            "together; no bound for a single factor",
            digits=2,
        ),
    )
    columns = (
        *both_r2("auxiliary", "aux"),
        *both_r2("published", "paper"),
        *both_r2("mlp", "MLP"),
        *both_r2("linear", "linear"),
        *both_r2("ridge", "ridge"),
        Column("accuracy", "published", "paper\nclass", by_factor=False),
        Column("accuracy", "linear", "linear\nclass", by_factor=False),
        Column("accuracy", "ridge", "ridge\nclass", by_factor=False),
    )
    all_representations = False

    def rows(self, plan: Plan) -> Iterator[ResultRow]:
        from contextssl.evaluation.published_probes import HEAD, published_probe_rows
        from contextssl.evaluation.single_views import probe_rows

        settings = plan.settings
        yield from probe_rows(
            plan.single_views,
            plan.points,
            heads=plan.heads,
            shares=settings.bottleneck,
            training=plan.training(self),
            k=settings.neighbours,
        )
        if HEAD in settings.heads:
            views, training = plan.published(self)
            shared = (plan.embedder, views, plan.test, plan.probed, plan.points_of(self), plan.environments_of(self))
            yield from published_probe_rows(*shared, training=training, seed=settings.seed)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        from contextssl.report import figures

        return {"noise": figures.noise(runs), "probes": figures.probes(runs)}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import sections

        return (sections.fresh_probes(runs, pictures, factors),)

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        from contextssl.report.comparison_tables import views_table

        return (views_table(entries, factors),)


PROTOCOL = Probe()
