"""What a model reads of its context, on the page: the verdict, and the shares of each factor in contexts that were disturbed."""

from __future__ import annotations

from collections.abc import Sequence

from contextssl.evaluation.deviations import deviation_words
from contextssl.evaluation.verdict import verdict
from contextssl.report.collect import Run
from contextssl.report.markup import Content, Markup, element, group_row, table
from contextssl.report.tables import column_title
from contextssl.report.words import environment_name, measured

PROTOCOL = "reading"
COLUMNS = (("variance_share", None), ("r2_pooled", "knn"), ("r2_pooled", "auxiliary"))
HOW = (
    "The same views in contexts that are disturbed one way at a time: compare each row with the one as drawn. A model that reads what its "
    "context tells by the block of its actions that is not zero is moved by what is told alone; one that reads the pairs is moved where "
    "they do not bear it out."
)


def section_content(runs: Sequence[Run]) -> list[Markup]:
    """Sentences and tables of every run that has such rows."""
    parts = [element("p", HOW)]
    for run in runs:
        if not run.has(PROTOCOL):
            continue
        said = verdict(run.rows)
        name = f"{run.name}: " if len(runs) > 1 else ""
        if said is not None:
            parts.append(element("p", element("strong", f"{name}{said.sentence}")))
        parts.append(reading_table(run))
    rows = [row for run in runs for row in run.find(protocol=PROTOCOL)]
    return [*parts, element("p", f"± is {deviation_words(rows)}.")]


def reading_table(run: Run) -> Markup:
    """A row a disturbance, in groups of one environment and length."""
    rows = run.find(protocol=PROTOCOL)
    there = {(row.metric, row.head, row.factor) for row in rows}
    columns = [(*read, factor) for read in COLUMNS for factor in run.factors if (*read, factor) in there]
    cells = {(row.environment, row.length, row.context, row.metric, row.head, row.factor): row for row in rows}
    head = ["context", "tokens", *(column_title(metric, factor, reader) for metric, reader, factor in columns)]
    body: list[Sequence[Content] | Markup] = []
    for environment in dict.fromkeys(row.environment for row in rows):
        body.append(group_row(f"{environment_name(environment)} context", len(head)))
        own = dict.fromkeys((row.length, row.context) for row in rows if row.environment == environment)
        for length, context in own:
            found = [cells.get((environment, length, context, *column)) for column in columns]
            body.append([context or "as drawn", str(length), *map(measured, found)])
    return table(head, body)
