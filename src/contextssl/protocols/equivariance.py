"""The action between two views, regressed from their concatenated embeddings, as in the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from contextssl.config.evaluation_settings import SINGLE_VIEWS, TRAINED_HEADS
from contextssl.head import HEADS
from contextssl.protocol import Protocol, both_r2

if TYPE_CHECKING:
    from contextssl.protocol import Averaged, Grid, Picture, Plan, ResultRow, Run, Section


class Equivariance(Protocol):
    name = "equivariance"
    intro = "Probes that regress the action between two views from their two embeddings, per environment and context length."
    place = 1
    in_all = True
    reads_values = True
    reads = (*TRAINED_HEADS, *SINGLE_VIEWS)
    epochs = 200
    columns = tuple(column for head in HEADS.built_in.values() if head.probes_pairs for column in both_r2(head.name, head.short))
    all_representations = False

    def rows(self, plan: Plan) -> Iterator[ResultRow]:
        from contextssl.evaluation.action_probes import pair_probe_rows
        from contextssl.evaluation.published_probes import HEAD, published_pair_rows

        yield from pair_probe_rows(plan.single_views, plan.points, heads=plan.heads, training=plan.training(self))
        if HEAD in plan.settings.heads:
            views, training = plan.published(self)
            shared = (plan.embedder, views, plan.test, plan.probed, plan.points_of(self))
            yield from published_pair_rows(*shared, training=training, seed=plan.settings.seed)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        from contextssl.report import figures

        r2 = figures.published_r2(runs)
        apart = r2 is not None and not all(run.in_papers_setting for run in runs)
        return {"r2": r2, "paper": figures.paper_only() if apart else None}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import sections

        return sections.action_probes(runs, pictures, factors), sections.results(runs)

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        from contextssl.report.comparison_tables import pairs_table

        return (pairs_table(entries, factors),)


PROTOCOL = Equivariance()
