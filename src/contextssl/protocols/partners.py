"""The rank of the second view of each listed pair among all images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from contextssl.metric import Metric
from contextssl.protocol import Column, Protocol

if TYPE_CHECKING:
    from contextssl.evaluation.plan import Plan
    from contextssl.records.results import ResultRow
    from contextssl.report.collect import Run
    from contextssl.report.panels import Picture
    from contextssl.report.sections import Section


class Partners(Protocol):
    name = "partners"
    intro = "Listed pairs: the rank of each image's partner among all images, by kind of pair and of context: MRR, H@1, H@5."
    title = "Partners of listed pairs"
    place = 5
    in_all = True
    views = "pairs"
    metrics = (Metric("mrr", "MRR"), Metric("hit@1", "H@1"), Metric("hit@5", "H@5"))
    definitions: ClassVar[Mapping[str, str]] = {
        "mrr, hit@k": "rank by cosine similarity of an image's partner among all images of the split, each pair both ways; other images that "
        "count as the same in that kind are no candidates; ties (within rounding) take their mean; floors are chance",
        "partners dealt anew": "contexts of the same images, the second of each pair dealt to another pair",
    }
    columns = (Column("mrr", None, "MRR"), Column("hit@1", None, "H@1"), Column("hit@5", None, "H@5"))

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.partner_ranks import partner_rows

        return partner_rows(plan.embedder, plan.test, plan.points, plan.settings.seed)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        from contextssl.report import partners

        return {"partners": partners.picture(runs)}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import partners

        return partners.sections(runs, pictures, factors)


PROTOCOL = Partners()
