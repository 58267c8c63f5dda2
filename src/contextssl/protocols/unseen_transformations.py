"""Do examples work for transformations that training never varied?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from contextssl.method import METHODS
from contextssl.protocol import Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType

    from contextssl.evaluation.plan import Plan
    from contextssl.evaluation.verdict import Verdict
    from contextssl.records.results import ResultRow
    from contextssl.report.collect import Run
    from contextssl.report.panels import Picture
    from contextssl.report.sections import Section

# In tokens, where none are given: 1, 3, 7, 15 and 31 pairs.
LENGTHS = (2, 6, 14, 30, 62)


class UnseenTransformations(Protocol):
    name = "unseen-transformations"
    intro = "Whether a context of examples works for transformations of images that training never varied."
    title = "Transformations that training never varied"
    place = 8
    views = "images"
    reads = ("transformations", "transformation_settings", "transformed_items")
    definitions: ClassVar[Mapping[str, str]] = {
        "sensitivity": "mean squared distance between an image's embedding and that of the image under the transformation, over that "
        "between different images, in the same context",
        "mrr": "reciprocal rank, by cosine, of an image's own transformed image among those of all images; the floor is chance",
        "factor": "the transformation; (trained): one that training varied, with the ranges of the training",
        "context": "none: pairs of training images and the same under this transformation; examples of …: under another one; partners "
        "dealt anew: every transformed image moved to another pair",
        "erased-pairs": "embeddings without a context, off all directions that the differences of the same pairs span",
    }

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.errors import DataError

        try:
            from contextssl.evaluation.transformations import transformations_of
        except ImportError as error:
            raise DataError("transformations need kornia: pip install 'contextssl[photos]'") from error
        from contextssl.evaluation.unseen_transformations import unseen_transformation_rows

        settings, longest = plan.settings, plan.embedder.model.longest_context
        lengths = plan.lengths if settings.eval_ctxt is not None else LENGTHS
        return unseen_transformation_rows(
            plan.embedder,
            plan.train.source,
            plan.test,
            transformations_of(plan.train.source, settings.transformations, settings.transformation_settings),
            lengths=[length for length in lengths if 0 < length <= longest],
            contexts=settings.contexts,
            max_items=settings.transformed_items,
            named=settings.transformations is not None,
            seed=settings.seed,
        )

    def is_of(self, settings: Any) -> bool:
        return settings.context == "examples" and METHODS.find(settings.method).contexts

    def says(self, rows: Sequence[ResultRow]) -> Verdict | None:
        from contextssl.evaluation.transformation_verdict import verdict

        return verdict(rows)

    def summary(self, rows: Sequence[ResultRow], split: str) -> RenderableType:
        from contextssl.evaluation.transformation_summary import summary

        return summary([row for row in rows if row.split == split], split)

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import transformation_table

        return transformation_table.sections(runs)


PROTOCOL = UnseenTransformations()
