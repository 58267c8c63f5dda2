"""Context sensitivity on the page: the verdict, and the numbers of each factor in disturbed contexts."""

from __future__ import annotations

from collections.abc import Sequence

from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation_words
from contextssl.evaluation.disturbances import foreign_name, is_foreign
from contextssl.evaluation.verdict import verdict
from contextssl.protocol import PROTOCOLS
from contextssl.report.collect import Run
from contextssl.report.markup import Content, Markup, element, group_row, table
from contextssl.report.tables import column_title
from contextssl.report.words import capitalised, environment_name, measured

PROTOCOL = "context-sensitivity"
COLUMNS = (("variance_share", None), ("r2_pooled", "knn"), ("r2", "knn"), ("r2_pooled", "auxiliary"), ("r2", "auxiliary"))
HOW = (
    "The same views embedded in contexts that are disturbed in one way each: compare each row with the one as drawn. The embeddings of a model that "
    "uses the pairs change where the actions do not match the views; those of a model that only uses which factors are active do not."
)


def section_content(runs: Sequence[Run]) -> list[Markup]:
    """The verdict and the table of every run that has such rows."""
    parts = [element("p", HOW)]
    rows = [row for run in runs for row in run.find(protocol=PROTOCOL)]
    for run in runs:
        name = f"{run.name}: " if len(runs) > 1 else ""
        if said := verdict(run.rows):
            parts.append(element("p", element("strong", f"{name}{said.sentence}")))
        if run.has(PROTOCOL):
            parts.append(disturbance_table(run))
    if any(is_foreign(row.context) for row in rows):
        what = foreign_name("…")
        parts.append(element("p", f"{capitalised(what)}: {PROTOCOLS.find(PROTOCOL).definitions[what]}."))
    return [*parts, element("p", f"± is {deviation_words(rows)}.")]


def disturbance_table(run: Run) -> Markup:
    """One row per disturbance, grouped by environment and length."""
    rows = run.find(protocol=PROTOCOL)
    there = {(row.metric, row.head, row.factor) for row in rows}
    columns = [(*column, factor) for column in COLUMNS for factor in run.factors if (*column, factor) in there]
    cells = {(row.environment, row.length, row.context, row.metric, row.head, row.factor): row for row in rows}
    head = ["context", "pairs", *(column_title(metric, factor, probe) for metric, probe, factor in columns)]
    body: list[Sequence[Content] | Markup] = []
    for environment in dict.fromkeys(row.environment for row in rows):
        body.append(group_row(f"{environment_name(environment)} context", len(head)))
        for length, context in dict.fromkeys((row.length, row.context) for row in rows if row.environment == environment):
            found = [cells.get((environment, length, context, *column)) for column in columns]
            body.append([context or "as drawn", str(pairs_in(length or 0)), *map(measured, found)])
    return table(head, body)
