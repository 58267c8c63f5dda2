"""Does a model depend on its context?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from contextssl.config.evaluation_settings import SINGLE_VIEWS
from contextssl.method import METHODS
from contextssl.protocol import Column, Protocol, both_r2
from contextssl.protocols.geometry import VARIANCE_SHARE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from contextssl.protocol import Picture, Plan, ResultRow, Run, Section, Verdict


class ContextSensitivity(Protocol):
    name = "context-sensitivity"
    intro = "Whether embeddings depend on the context: shuffled, wrong, random, blank, short, of unseen classes or other data, too long."
    title = "Context sensitivity"
    place = 6
    reads_values = True
    reads = (*SINGLE_VIEWS, "neighbours", "unseen_classes", "foreign")
    definitions: ClassVar[Mapping[str, str]] = {
        VARIANCE_SHARE.name: VARIANCE_SHARE.definition,
        "context": "how the context was disturbed; none: as drawn",
        "pairs of …": "contexts of pairs of the data that foreign names, which training never saw: two views that share what stands there for the "
        "active factors and differ in what stands for the others; the embedded views are the run's",
        "erased by the same pairs": "no context: embeddings off all directions that the differences within its pairs span; 90 %: off those that "
        "hold 90 % of them; LEACE: after linear erasure of the latents' differences, fitted there",
    }
    columns = (Column("variance_share", None, "share"), *both_r2("knn", "kNN"), *both_r2("auxiliary", "aux"))

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.disturbed_contexts import context_sensitivity_rows

        settings = plan.settings
        return context_sensitivity_rows(
            plan.single_views,
            plan.pairs,
            plan.environments,
            lengths=[length for length in plan.lengths if length] if settings.eval_ctxt is not None else None,
            unseen=plan.unseen,
            foreign=plan.foreign,
            k=settings.neighbours,
            seed=settings.seed,
        )

    def is_of(self, settings: Any) -> bool:
        return METHODS.find(settings.method).contexts

    def says(self, rows: Sequence[ResultRow]) -> Verdict | None:
        from contextssl.evaluation.verdict import verdict

        return verdict(rows)

    def summary(self, rows: Sequence[ResultRow], split: str) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from contextssl.evaluation.disturbances import foreign_name, is_foreign

        table = super().summary(rows, split)
        if not any(is_foreign(row.context) for row in rows):
            return table
        what = foreign_name("…")
        return Group(table, Text(f"{what}: {self.definitions[what]}", style="italic"))

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import sections

        return sections.context_sensitivity(runs)


PROTOCOL = ContextSensitivity()
