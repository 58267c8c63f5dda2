"""Which ± a number gets, what the captions say that it holds, and what the terminal shows of it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from contextssl.evaluation.deviations import ITEMS, NOT_ITEMS, deviation, deviation_words
from contextssl.evaluation.summary import summary
from contextssl.protocol import PROTOCOLS
from contextssl.records.results import ResultRow

ROW = ResultRow("geometry", "variance_share", 0.5, "rotation", "rotation", 14, "embedding", split="val", std=0.01, n=3, floor=0.0)


def test_the_larger_counts() -> None:
    assert deviation(ROW) == 0.01 and deviation(replace(ROW, item_std=0.03)) == 0.03 and deviation(replace(ROW, item_std=0.001)) == 0.01
    assert deviation(replace(ROW, std=None)) is None and deviation(replace(ROW, std=float("nan"), item_std=0.02)) == 0.02


def test_what_leaves_items_out_says_so() -> None:
    known = replace(ROW, item_std=0.03, items=50, over="contexts")
    assert deviation_words([known]) == f"the larger of the deviation over contexts (n - 1) and {ITEMS}"
    assert deviation_words([ROW, replace(ROW, factor="color")], "seeds") == f"the deviation over seeds (n - 1) alone: {NOT_ITEMS}"
    assert deviation_words([ROW, ROW, known]).endswith(f"where that is known; elsewhere {NOT_ITEMS}")
    # A bound is no mean over items.
    assert "elsewhere" not in deviation_words([known, replace(ROW, metric="factor_nats"), replace(ROW, metric="capacity_nats")])
    assert deviation_words([known], None) == ITEMS and deviation_words([ROW], None) == "not known"


def shown(rows: list[ResultRow]) -> list[str]:
    console = Console(width=80, record=True, file=StringIO())
    console.print(summary(rows, PROTOCOLS.find("geometry"), "val"))
    return console.export_text().splitlines()


def test_the_terminal_shows_the_largest_of_a_column() -> None:
    rows = [replace(ROW, item_std=0.034), replace(ROW, factor="color", mean=0.1), replace(ROW, environment="color", item_std=0.02)]
    (line,) = [line for line in shown(rows) if "± at most" in line]
    assert line.split() == ["±", "at", "most", "0.03/0.01"]
    assert "bootstrap" in " ".join(" ".join(shown(rows)).split()) and NOT_ITEMS in " ".join(" ".join(shown([ROW])).split())


def test_where_no_deviation_is_known_none_is_announced() -> None:
    lines = shown([replace(ROW, std=None, n=1)])
    assert any("0.50" in line for line in lines) and not any("±" in line for line in lines)
