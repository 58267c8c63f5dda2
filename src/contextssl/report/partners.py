"""Listed pairs on the page: where the partner of an image stands among all images, by kind of pair and of context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contextssl.evaluation.contexts import pairs_in, pairs_words
from contextssl.evaluation.deviations import deviation_words
from contextssl.records.results import ResultRow
from contextssl.report import about
from contextssl.report.collect import Run
from contextssl.report.markup import Content, Markup, element, group_row, table
from contextssl.report.panels import Floor, Panel, Picture, length_ticks, line
from contextssl.report.sections import Section, figure, section
from contextssl.report.tables import column_title, floor_cell
from contextssl.report.words import a_context, capitalised, environment_name, floor_of, listed, measured, number

PROTOCOL = "partners"
METRICS = ("mrr", "hit@1", "hit@5")
HOW = (
    "An image is the query, and all images of the split are ranked by their similarity to it: where does the partner stand that a pair lists? A "
    "context of a kind should raise the ranks of that kind. In contexts whose second images are dealt to other pairs it cannot."
)


def picture(runs: Sequence[Run]) -> Picture | None:
    """MRR over the length of the context: a panel for each kind of context, a line for each kind of pair."""
    panels = []
    for run in runs:
        for environment in run.environments if run.has(PROTOCOL) else ():
            lines, floors, lengths = [], {}, set()
            for factor in run.factors:
                rows = run.curve(PROTOCOL, "mrr", environment, factor=factor, context=None)
                if not any(row.length for row in rows):
                    continue
                lines.append(line(rows, f"{factor} pairs", colour=factor, end=factor))
                floors[factor] = floor_of(rows)
                lengths |= {row.length or 0 for row in rows}
            if not lines:
                continue
            chance = [Floor(value, "chance", factor) for factor, value in floors.items() if value is not None]
            title = f"{run.name}, {environment_name(environment)} context" if len(runs) > 1 else f"{environment_name(environment)} context"
            panels.append(Panel(title, lines, "MRR", ticks=length_ticks([*lengths]), floors=chance, colour=environment))
    if not panels:
        return None
    caption = (
        "Mean reciprocal rank of an image's partner among all images of the split, for pairs of each kind, over the length of the context."
    )
    return Picture("partners", "Partners of listed pairs", panels, caption)


def sections(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
    """Of runs on listed pairs."""
    runs = [run for run in runs if not run.has_values or run.has(PROTOCOL)]
    if not runs:
        return ()
    drawn = pictures[PROTOCOL]
    rows = [row for run in runs for row in run.find(protocol=PROTOCOL)]
    content = section(
        PROTOCOL,
        "Partners of listed pairs",
        element("p", HOW),
        figure(drawn, factors) if drawn else None,
        [_table(run) for run in runs if run.has(PROTOCOL)],
        element("p", f"± is {deviation_words(rows)}.") if rows else None,
        [about.missing(run, PROTOCOL, "the rank of each image's partner") for run in runs if not run.has(PROTOCOL)],
    )
    return (Section(PROTOCOL, "Partners", 15, content),)


def _table(run: Run) -> Markup:
    """One row per context, grouped by its kind; a column for each kind of pair and metric."""
    rows = run.find(protocol=PROTOCOL)
    columns = [(metric, factor) for factor in dict.fromkeys(row.factor for row in rows) for metric in METRICS]
    cells = {(row.representation, row.environment, row.length, row.context, row.metric, row.factor): row for row in rows}
    head = ["context", "pairs", *(column_title(metric, factor, None) for metric, factor in columns)]
    body: list[Sequence[Content] | Markup] = [group_row(run.name, len(head))]
    for representation, environment, length, context in dict.fromkeys((*key[:4],) for key in cells):
        first = "features" if representation == "feature" else environment_name(environment)
        found = [cells.get((representation, environment, length, context, *column)) for column in columns]
        body.append([f"{first}, {context}" if context else first, "" if length is None else str(pairs_in(length)), *map(measured, found)])
    floors = [[row for row in rows if (row.metric, row.factor) == column] for column in columns]
    body.append(["chance", "", *map(floor_cell, floors)])
    return table(head, body)


def sentences(run: Run) -> list[str]:
    """One for each kind of context, at 7 pairs (or the longest), then one without."""
    length = run.reported_length(PROTOCOL, "mrr")
    found = run.find(protocol=PROTOCOL, metric="mrr", representation="embedding", context=None)
    said = []
    for environment in run.environments:
        there = [row for row in found if row.environment == environment and row.length == length]
        if there and length is not None:
            said.append(f"{capitalised(a_context(environment))} of {pairs_words(length)}: {_ranks(there, environment)}.")
    without = [row for row in found if not row.length]
    return [*said, f"With no context: {_ranks(without, None)}."] if said and without else said


def _ranks(rows: Sequence[ResultRow], first: str | None) -> str:
    ordered = sorted(rows, key=lambda row: row.factor != first)
    words = [f"partners of {row.factor} pairs have a mean reciprocal rank of {number(row.mean, 2)}" for row in ordered[:1]]
    words += [f"of {row.factor} pairs {number(row.mean, 2)}" for row in ordered[1:]]
    floor = floor_of([*rows])
    return listed(words) + ("" if floor is None else f" (chance {number(floor, 2)})")
