"""Which ± stands behind a number, and in words what it holds: contexts or seeds that were drawn, and the items that were evaluated."""

from __future__ import annotations

import math
from collections.abc import Iterable

from contextssl.records.results import ResultRow

ITEMS = "the standard error by the choice of the evaluated items (bootstrap, all views of an item together)"
NOT_ITEMS = "the choice of the evaluated items is in no number"
# Bounds and the like are functions of the embeddings, not means over items.
WITHOUT_ITEMS = frozenset({"capacity_nats", "factor_nats", "accuracy_bound", "positive_similarity", "negative_similarity"})


def deviation(row: ResultRow) -> float | None:
    """The larger of the deviation over contexts or seeds and the error by the choice of items; None where neither is known."""
    known = [value for value in (row.std, row.item_std) if value is not None and math.isfinite(value)]
    return max(known, default=None)


def deviation_words(rows: Iterable[ResultRow], over: str | None = "contexts") -> str:
    """What ± is in a table of these rows, as a clause: ``"the deviation over contexts alone: …"`` where it leaves items out.

    Args:
        over: what the deviation is over; None where it is over nothing, and all that there may be is the error by the choice of items.
    """
    measured = [row for row in rows if row.metric not in WITHOUT_ITEMS and row.protocol != "online"]
    known = [row for row in measured if row.item_std is not None]
    if over is None:
        return ITEMS if known else f"left out: {NOT_ITEMS}"
    if measured and not known:
        return f"the deviation over {over} (n - 1) alone: {NOT_ITEMS}"
    larger = f"the larger of the deviation over {over} (n - 1) and {ITEMS}"
    # What is undefined in most draws, or of one item, has no such error either; a file of an older version has none at all.
    return larger if 2 * len(known) >= len(measured) else f"{larger}, where that is known; elsewhere {NOT_ITEMS}"
