"""Fairness on tables: how well adversaries predict a protected factor, and the gaps between its groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from contextssl.metric import Metric
from contextssl.protocol import Protocol

if TYPE_CHECKING:
    from contextssl.protocol import Picture, Plan, RenderableType, ResultRow, Run, Section


class Fairness(Protocol):
    name = "fairness"
    intro = "On tables: adversaries that predict a factor, task accuracy, gaps between groups, counterfactual flips of a factor."
    place = 8
    in_all = True
    views = "rows"
    reads = ("train_items", "adversaries", "fairness_bottleneck", "baselines", "scarf_epochs")
    metrics = (
        Metric("auroc", "AUROC"),
        Metric("equalized_odds_difference", "equalized-odds gap"),
        Metric("equal_opportunity_difference", "equal-opportunity gap"),
        Metric("demographic_parity_difference", "demographic-parity gap"),
        Metric(
            "counterfactual_distance",
            "distance of a flip",
            "mean distance that a row moves when the factor's value alone is replaced, over that between two rows",
        ),
        Metric(
            "counterfactual_flips",
            "predictions flipped",
            "share of rows whose prediction changes when the factor's value alone is replaced",
        ),
    )
    definitions: ClassVar[Mapping[str, str]] = {
        "equalized_odds_difference, …": "the largest difference between groups (values of the factor) in the predictions of a logistic regression: "
        "in true or false positive rates, in true positive rates, in positive rates"
    }

    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        from contextssl.evaluation.fairness_rows import fairness_rows

        return fairness_rows(plan)

    def summary(self, rows: Sequence[ResultRow], split: str) -> RenderableType:
        from contextssl.evaluation.fairness_summary import fairness_summary

        return fairness_summary(rows, split)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        from contextssl.report import fairness_table

        return {"fairness": fairness_table.tradeoff(runs)}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        from contextssl.report import sections

        return sections.fair(runs, pictures, factors)


PROTOCOL = Fairness()
