"""Context sensitivity on the page and in a comparison; and what ± means there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from contextssl.protocol import PROTOCOLS
from contextssl.records.results import ResultRow
from contextssl.report import write_report
from contextssl.report.collect import read_run
from contextssl.report.comparison_tables import every_number
from contextssl.report.entries import Averaged, Entry
from tests.evaluation.test_verdict import DRAWN
from tests.evaluation.test_verdict import rows as reading
from tests.report.pages import Page
from tests.report.synthetic import evaluations, rows, write_run

ABOUT = {"representation": "embedding", "split": "val", "count": 500}


def context_sensitivity_rows() -> list[ResultRow]:
    return [replace(row, **ABOUT) for row in reading(DRAWN, {"wrong pairs 100 %": DRAWN, "blank images": DRAWN})]  # type: ignore[arg-type]


def page_of(folder: Path) -> Page:
    write_report([folder], gallery=False, figures=False)
    return Page((folder / "report.html").read_text())


def test_the_verdict_stands_on_the_page_with_its_rows(tmp_path: Path) -> None:
    page = page_of(write_run(tmp_path / "run", [*rows(), *context_sensitivity_rows()]))
    assert (
        "This model depends on which factors are active, not on the pairs: the active factors change the share of the variance of color by 0.60"
        in page.text
    )
    assert page.row("blank images", "7")[2:] == page.row("as drawn", "7")[2:] == ["0.540 ± 0.010", "−0.020 ± 0.010"]
    assert "Context sensitivity" not in page_of(write_run(tmp_path / "other")).text


def test_pairs_of_other_data_are_explained_where_there_are_rows(tmp_path: Path) -> None:
    drawn = context_sensitivity_rows()
    photos = [replace(row, context="pairs of photos") for row in drawn if row.context is None]
    page = page_of(write_run(tmp_path / "run", [*rows(), *drawn, *photos]))
    assert page.row("pairs of photos", "7")[2:] == page.row("as drawn", "7")[2:]
    explained = "Pairs of …: contexts of pairs of the data that foreign names, which training never saw"
    assert explained in page.text
    assert explained not in page_of(write_run(tmp_path / "other", [*rows(), *drawn])).text


def test_a_comparison_says_it_of_each_method(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [*rows(), *context_sensitivity_rows()])
    averaged = Averaged.of(Entry("contextssl", "context", (read_run(folder),)), "val")
    table = every_number([averaged], PROTOCOLS.find("context-sensitivity"), ["rotation", "color"])
    assert table is not None and table.notes[0].startswith("contextssl. This model depends on which factors are active, not on the pairs: ")


def test_seeds_are_evaluated_on_the_same_items(tmp_path: Path) -> None:
    """The error by the choice of items does not average out over seeds; what ± holds is said."""
    made = [replace(row, item_std=0.05, items=50) for row in rows()]
    runs = tuple(read_run(write_run(tmp_path / f"seed{seed}", made, seed=seed)) for seed in range(2))
    averaged = Averaged.of(Entry("contextssl", "context", runs), "val")
    shared = averaged.run.find(metric="variance_share", environment="rotation", length=14, factor="rotation")[0]
    assert (shared.item_std, shared.items, shared.over, shared.std, shared.n) == (0.05, 50, "seeds", 0, 2)
    page = page_of(tmp_path / "seed0")
    assert "± 0.050" in page.text and "bootstrap, all views of an item together" in page.text
    assert "alone: it does not include the choice of evaluated items" in page_of(write_run(tmp_path / "old")).text


def test_a_checkpoint_chosen_on_the_split_says_so(tmp_path: Path) -> None:
    chosen = {name: {**about, "checkpoint": "best", "checkpoint_chosen_on": "val"} for name, about in evaluations().items()}
    assert "checkpoint best, chosen on the val split" in page_of(write_run(tmp_path / "best", evaluated=chosen)).text
    write_report([tmp_path / "best", write_run(tmp_path / "last")], tmp_path / "both.html", gallery=False, figures=False)
    assert "checkpoint (" in Page((tmp_path / "both.html").read_text()).text


def test_bounds_of_one_factor_are_distinguished_from_that_of_everything(tmp_path: Path) -> None:
    bounded = [
        ResultRow("geometry", "factor_nats", nats, factor, "rotation", 14, floor=0.0, bottleneck=0.3, **ABOUT)  # type: ignore[arg-type]
        for factor, nats in (("rotation", 9.1), ("color", 2.46))
    ]
    text = " ".join(page_of(write_run(tmp_path / "run", [*rows(), *bounded])).text.split())
    assert "at most 2.5 nats at noise 0.3 of colour in 7 pairs of a rotation context; 9.1 nats at noise 0.3 of rotation" in text
    assert (
        "About everything together, factors and all else, it holds at most 11.5 nats" in text
        and "not say how much of that is about a single factor" in text
    )
