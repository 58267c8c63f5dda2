"""Transformations that training never varied on the page: the verdict, and sensitivity by the number of pairs shown."""

from __future__ import annotations

from collections.abc import Sequence

from contextssl.evaluation.deviations import deviation_words
from contextssl.evaluation.transformation_summary import lengths_of, numbers, read_word, titles
from contextssl.evaluation.transformation_verdict import PROTOCOL, lines_of, verdict
from contextssl.report.collect import Run
from contextssl.report.markup import Markup, element, table
from contextssl.report.sections import Section, section
from contextssl.report.words import measured

ANCHOR = "unseen-transformations"
HOW = (
    "How far a transformation moves an image's embedding, as a share of the squared distance between different images in the same context, by "
    "how many examples of the transformation the context shows (0: none). In the longest contexts also: examples of another transformation "
    "(other), the same views with their partners dealt anew (dealt), and no context but a linear eraser fitted on the same pairs (erased). MRR: the "
    "rank of an image's own transformed image among those of all, without a context and in the longest."
)


def sections(runs: Sequence[Run]) -> Sequence[Section]:
    """Where it was evaluated."""
    runs = [run for run in runs if run.has(PROTOCOL)]
    if not runs:
        return ()
    parts: list[Markup] = [element("p", HOW)]
    for run in runs:
        rows = run.find(protocol=PROTOCOL)
        lines, said = lines_of(rows), verdict(rows)
        if said is not None:
            parts.append(element("p", element("strong", f"{run.name}: {said.sentence}" if len(runs) > 1 else said.sentence)))
        body = [[line.name, *map(measured, numbers(line, lengths_of(lines))), read_word(line)] for line in lines]
        parts.append(table(titles(lines), body))
    around = deviation_words(row for run in runs for row in run.find(protocol=PROTOCOL))
    content = section(ANCHOR, "Transformations that training never varied", parts, element("p", f"± is {around}."))
    return (Section(ANCHOR, "Unseen transformations", 65, content),)
