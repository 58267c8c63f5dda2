"""Retrieval of the predicted view among the views of its object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from contextssl.metric import Metric
from contextssl.protocol import Column, Protocol

if TYPE_CHECKING:
    from contextssl.protocol import Averaged, EvaluateSettings, Grid, Picture, Plan, ResultRow, Run, Section


class Retrieval(Protocol):
    name = "retrieval"
    intro = "Retrieval of the predicted view among the views of its object: MRR, H@k, prediction error."
    place = 4
    in_all = True
    predicts = True
    reads_values = True
    reads = ("sources", "queries", "normalize")
    metrics = (
        Metric("mrr", "MRR"),
        *(Metric(f"hit@{k}", f"H@{k}") for k in (1, 2, 5, 10)),
        Metric(
            "pre",
            "PRE",
            "factor distance of the nearest candidate to the target: 1 - ⟨q, q′⟩² for rotations, mean squared difference else; floor is chance",
        ),
    )
    definitions: ClassVar[Mapping[str, str]] = {
        "mrr, hit@k": "rank by cosine similarity among all views of the object; ties (within rounding) take their mean; without identity "
        "queries (target = source), which …_with_identity includes; floors are chance"
    }
    columns = (Column("mrr", None, "MRR", by_factor=False), Column("hit@1", None, "H@1", by_factor=False))
    all_representations = False

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.retrieval_queries import retrieval_rows

        settings = plan.settings
        return retrieval_rows(
            plan.embedder,
            plan.test_of(self),
            plan.points,
            plan.environments,
            sources="first" if settings.sources == "published" else settings.sources,
            per_item=settings.queries,
            seed=settings.seed,
            normalize=settings.normalize,
        )

    def split(self, settings: EvaluateSettings) -> str:
        """The training split where sources=published, whatever ``split`` is."""
        return "train" if settings.sources == "published" else settings.split

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        from contextssl.report import figures

        return {"retrieval": figures.retrieval(runs)}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import sections

        return sections.retrieval(runs, pictures, factors)

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        from contextssl.report.comparison_tables import retrieval_table

        return (retrieval_table(entries, factors),)


PROTOCOL = Retrieval()
