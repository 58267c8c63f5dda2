"""What ``evaluate unseen-transformations`` says: of which transformations the examples are read.

The rule. A transformation is **read** where the sensitivity of the embedding to it, in the longest context of its own examples, is at most
:data:`READ` of that without a context. One that hardly moves the embedding without a context (below :data:`MOVES`) leaves nothing to read. Whether
it was these examples that did it, the controls beside it say: examples of another transformation, and the same views with their partners dealt anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contextssl.evaluation.contexts import pairs_words
from contextssl.evaluation.disturbances import DEALT_ANEW
from contextssl.evaluation.verdict import Verdict
from contextssl.records.results import ResultRow

PROTOCOL = "unseen-transformations"
ERASED = "erased-pairs"
EXAMPLES_OF = "examples of"
TRAINED = "(trained)"
READ = 1 / 3
MOVES = 0.02


@dataclass(frozen=True)
class Line:
    """The numbers of one transformation.

    Args:
        name: as in ``factor`` of its rows.
        by_length: ``sensitivity`` by tokens, 0 without a context.
        other, dealt, erased: at the longest length under examples of another transformation, of pairs dealt anew, and after linear erasure by
            the same pairs; None where there is none.
        mrr: without a context, and in the longest context of its own examples.
    """

    name: str
    by_length: Mapping[int, ResultRow]
    other: ResultRow | None
    dealt: ResultRow | None
    erased: ResultRow | None
    mrr: tuple[ResultRow | None, ResultRow | None]

    @property
    def trained(self) -> bool:
        return self.name.endswith(TRAINED)

    @property
    def left(self) -> float:
        """Sensitivity in the longest context of its own examples, as a share of that without a context; NaN where that is next to nothing."""
        return self.share_of(self.by_length.get(max(self.by_length, default=0)))

    def share_of(self, row: ResultRow | None) -> float:
        """Any of its sensitivities as such a share."""
        start = self.by_length.get(0)
        if start is None or row is None or not start.mean >= MOVES:
            return math.nan
        return row.mean / start.mean

    @property
    def read(self) -> bool | None:
        """None where there is nothing to read."""
        return None if math.isnan(self.left) else self.left <= READ


def lines_of(rows: Sequence[ResultRow]) -> list[Line]:
    """One for each transformation, in the order of the rows."""
    rows = [row for row in rows if row.protocol == PROTOCOL and row.factor is not None and row.representation in ("embedding", ERASED)]
    longest = max((row.length or 0 for row in rows), default=0)
    lines = []
    for name in dict.fromkeys(row.factor for row in rows):
        own = [row for row in rows if row.factor == name]
        moves, ranks = ([row for row in own if row.metric == metric] for metric in ("sensitivity", "mrr"))
        drawn, found = (
            {row.length or 0: row for row in each if row.context is None and row.representation == "embedding"} for each in (moves, ranks)
        )
        at_longest = [row for row in moves if row.length == longest]
        lines.append(
            Line(
                str(name),
                drawn,
                next((row for row in at_longest if str(row.context).startswith(EXAMPLES_OF)), None),
                next((row for row in at_longest if row.context == DEALT_ANEW), None),
                next((row for row in at_longest if row.representation == ERASED), None),
                (found.get(0), found.get(longest) if longest else None),
            )
        )
    return lines


def verdict(rows: Sequence[ResultRow]) -> Verdict | None:
    """Of the rows of this protocol among these, of one split; None where there are none."""
    lines = lines_of(rows)
    if not lines:
        return None
    length = max(length for line in lines for length in line.by_length)
    unseen = [line for line in lines if not line.trained]
    there = [line for line in unseen if line.read is not None]
    left = {line.name: line.left for line in lines if line.read is not None}
    if not length:
        return Verdict(None, "it takes contexts of at least one pair")
    if not there:
        why = (
            "no transformation that training never varied moves the embedding without a context" if unseen else "all of these were trained"
        )
        return Verdict(None, why, length, "sensitivity", kept=left)
    says = f"of {len(there)} transformations that training never varied, examples of {sum(bool(line.read) for line in there)} are read"
    shares = ", ".join(f"{line.name} {100 * line.left:.0f} %" for line in lines if line.read is not None)
    rule = f"a third or less remains of the sensitivity without a context, under {pairs_words(length)} of a transformation's own"
    return Verdict(says, f"{rule}; there remains: {shares}", length, "sensitivity", kept=left)
