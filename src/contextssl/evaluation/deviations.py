"""The ± of a number, and in words what it includes: the drawn contexts or seeds, and the choice of evaluated items."""

from __future__ import annotations

import math
from collections.abc import Iterable

from contextssl.records.results import ResultRow

ITEMS = "the standard error over the choice of evaluated items (bootstrap, all views of an item together)"
NOT_ITEMS = "it does not include the choice of evaluated items"
# Bounds and the like are functions of the embeddings, not means over items.
WITHOUT_ITEMS = frozenset({"capacity_nats", "factor_nats", "accuracy_bound", "positive_similarity", "negative_similarity"})


def deviation(row: ResultRow) -> float | None:
    """The larger of the deviation over contexts or seeds and the error over the choice of items; None where neither is known."""
    known = [value for value in (row.std, row.item_std) if value is not None and math.isfinite(value)]
    return max(known, default=None)


def deviation_words(rows: Iterable[ResultRow], over: str | None = "contexts") -> str:
    """The meaning of ± in a table of these rows, as a clause; ``over`` None: only the error over the choice of items is known."""
    measured = [row for row in rows if row.metric not in WITHOUT_ITEMS and row.protocol != "online"]
    known = [row for row in measured if row.item_std is not None]
    if over is None:
        return ITEMS if known else "not known"
    if measured and not known:
        return f"the deviation over {over} (n - 1) alone: {NOT_ITEMS}"
    larger = f"the larger of the deviation over {over} (n - 1) and {ITEMS}"
    # What is undefined in most draws, or of one item, has no such error either; a file of an older version has none at all.
    return larger if 2 * len(known) >= len(measured) else f"{larger}, where that is known; elsewhere {NOT_ITEMS}"
