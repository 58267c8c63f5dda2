"""The comparison against its rows: means over seeds, heads, floors, what is missing, the paper's numbers, and every file that it writes."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from contextssl.errors import SettingsError
from contextssl.records.results import ResultRow
from contextssl.report import paper_numbers
from contextssl.report.collect import differences, read_run
from contextssl.report.comparison import Comparison, Entry, write_comparison
from contextssl.report.label_layout import HEIGHT, Box, place_labels
from tests.report.methods import FEATURE, NO_CONTEXT, Place, entry, in_context, rows_of
from tests.report.pages import Page
from tests.report.synthetic import evaluations, online_rows, write_run

PAPERS = {"dataset": "3diebench", "resolution": 128, "backbone": "resnet18"}
SIE = {FEATURE: (0.67, 0.01), NO_CONTEXT: (0.65, 0.02)}


def shifted(rows: Sequence[ResultRow], by: float) -> list[ResultRow]:
    return [replace(row, mean=row.mean + by) for row in rows]


def several(folder: Path, **settings: Any) -> list[Entry]:
    """SimCLR and SIE without contexts, SimCLR+ and ContextSSL with; three seeds 0.1 apart."""

    def seeds(places: dict[Place, tuple[float, float]], active: Sequence[str], *, erased: bool = False) -> list[list[ResultRow]]:
        return [shifted(rows_of(places, active, erased=erased, heads=("linear", "mlp")), by) for by in (-0.1, 0.0, 0.1)]

    plus: dict[Place, tuple[float, float]] = {FEATURE: (0.5, 0.3), NO_CONTEXT: (0.48, 0.07), ("embedding", "none", 126): (0.25, 0.46)}
    context = in_context((0.74, 0.03), (0.34, 0.98))
    return [
        entry(folder, "simclr", "invariance", seeds({FEATURE: (0.51, 0.15), NO_CONTEXT: (0.4, 0.1)}, ["none"]), "SimCLR", **settings),
        entry(folder, "simclr+", "invariance", seeds(plus, ["none"]), "SimCLR+", **settings),
        entry(folder, "sie:rotation", "rotation", seeds(SIE, ["rotation"], erased=True), "SIE", **settings),
        entry(folder, "contextssl", "context", seeds(context, ["rotation", "color"], erased=True), "ContextSSL", **settings),
        entry(folder, "random", "floor", seeds({FEATURE: (0.3, 0.5), NO_CONTEXT: (0.28, 0.4)}, ["none"]), "untrained", **settings),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("comparison")
    return write_comparison(several(folder), folder / "out", about={"command": "contextssl compare seeds=[0,1,2]", "date": "2026-11-24"})


@pytest.fixture(scope="module")
def page(made: Comparison) -> Page:
    return Page(made.page.read_text(encoding="utf-8"))


def page_of(folder: Path, *entries: Entry, **more: Any) -> Page:
    return Page(write_comparison(entries, folder / "out", **more).page.read_text(encoding="utf-8"))


def tables(page: Page) -> dict[str, list[list[str]]]:
    """Rows of each table under its first two titles, head first."""
    found: dict[str, list[list[str]]] = {}
    for row in page.rows:
        if row and row[0].startswith("method"):
            name = " | ".join(row[1:3])
            found[name] = []
        elif row and row[0] == "":
            break  # what the runs were
        if found:
            found[name].append(row)
    return found


def test_cells_are_means_and_deviations_over_seeds(page: Page) -> None:
    # 0.57, 0.67 and 0.77: mean and n - 1 deviation by hand.
    row = page.row("sie:rotation, features")
    assert row[1:5] == ["0.670 ± 0.100", "0.690 ± 0.100", "0.010 ± 0.100", "0.030 ± 0.100"]
    # The deviation over contexts, 0.5 in every row, plays no part.
    assert page.row("contextssl, rotation context, 63 pairs")[1] == "0.740 ± 0.100"
    assert "A cell is the mean over 3 seeds" in page.text and "5 models on shapes, 3 seeds, val split" in page.text


def test_one_seed_has_no_deviation_and_other_counts_are_given(tmp_path: Path) -> None:
    one = entry(tmp_path, "sie:rotation", "rotation", [rows_of(SIE, ["rotation"])])
    assert page_of(tmp_path, one).row("sie:rotation, features")[1] == "0.670"
    two = entry(tmp_path, "sen:rotation", "rotation", [rows_of(SIE, ["rotation"]), shifted(rows_of(SIE, ["rotation"]), 0.1)])
    page = page_of(tmp_path, one, two)
    assert page.row("method, representation")[1] == "seeds" and "1 to 2 seeds" in page.text
    assert page.row("sie:rotation, features")[1:3] == ["1", "0.670"] and page.row("sen:rotation, features")[1:3] == ["2", "0.720 ± 0.071"]


def test_what_is_missing_is_a_dash(tmp_path: Path) -> None:
    full = rows_of(SIE, ["rotation"])
    some = entry(tmp_path, "some", "rotation", [[row for row in full if (row.protocol, row.head) != ("equivariance", "ridge")]])
    undefined = [replace(row, mean=math.nan) if row.protocol == "equivariance" and row.factor == "color" else row for row in full]
    other = entry(tmp_path, "other", "rotation", [full, undefined])
    never = entry(tmp_path, "never", "rotation", [undefined])
    page = page_of(tmp_path, some, other, never)
    head, row = page.row("method, representation"), page.row("some, features")
    assert [row[head.index(f"{factor} R², fresh ridge")] for factor in ("rotation", "colour")] == ["–", "–"]
    assert page.row("other, features")[head.index("colour R², fresh linear probe")] == "0.010 (1 of 2)"
    assert page.row("never, features")[head.index("colour R², fresh linear probe")] == "undefined"


def test_what_embeds_views_as_their_features_has_one_line(tmp_path: Path) -> None:
    features = [row for row in rows_of(SIE, ["rotation"]) if row.representation == "feature"]
    embedded = [replace(row, representation="embedding", length=0) for row in features]
    noisy = [replace(row, bottleneck=0.3, mean=0.25) for row in embedded if row.protocol == "probe" and row.head == "ridge"]
    page = page_of(tmp_path, entry(tmp_path, "random", "floor", [[*features, *embedded, *noisy]]))
    names = [row[0] for row in page.rows if row and row[0].startswith("random, ")]
    assert set(names) == {"random, features"}
    noise = "rotation R², ridge, noise 0.3"
    seen = next(table for table in tables(page).values() if noise in table[0])
    assert seen[-1][seen[0].index(noise)] == "0.250", "the number under noise is in the same line"
    # One number that differs, and they are two.
    other = [replace(embedded[0], mean=embedded[0].mean + 0.01), *embedded[1:]]
    two = page_of(tmp_path, entry(tmp_path, "two", "floor", [[*features, *other]]))
    assert {row[0] for row in two.rows if row and row[0].startswith("two, ")} == {"two, features", "two, embedding"}


def test_columns_without_numbers_and_protocols_that_were_not_run_are_left_out(tmp_path: Path) -> None:
    only = entry(tmp_path, "sie:rotation", "rotation", [[row for row in rows_of(SIE, ["rotation"]) if row.protocol == "retrieval"]])
    made = write_comparison([only], tmp_path / "out")
    page = Page(made.page.read_text())
    assert [row[0] for row in page.rows if row and row[0].startswith("method")] == ["method"] and made.figures == ()
    bare = entry(tmp_path, "bare", "invariance", [online_rows()])
    assert "None of these runs was evaluated" in page_of(tmp_path, bare).text
    with pytest.raises(SettingsError, match="each of them a run"):
        write_comparison([Entry("none", "invariance", ())], tmp_path / "out")


@pytest.mark.parametrize("heads", [("linear",), ("linear", "mlp"), ("mlp",)])
def test_the_header_names_the_head(tmp_path: Path, heads: tuple[str, ...]) -> None:
    page = page_of(tmp_path, entry(tmp_path, "sie:rotation", "rotation", [rows_of(SIE, ["rotation"], heads=heads)]))
    named = "fresh MLP" if "mlp" in heads else "fresh linear probe"
    assert page.row("method, representation")[1] == f"rotation R², {named}"
    assert ("The paper probes rotation by fresh MLP (here: fresh linear probe)" in page.text) == (heads == ("linear",))


def test_one_head_for_all(tmp_path: Path) -> None:
    """A method without the published head is not compared with those that have it."""
    both = entry(tmp_path, "sie:rotation", "rotation", [rows_of(SIE, ["rotation"], heads=("linear", "mlp"))])
    linear = entry(tmp_path, "sen:rotation", "rotation", [rows_of(SIE, ["rotation"])])
    page = page_of(tmp_path, both, linear)
    assert page.row("method, representation")[1] == "rotation R², fresh linear probe" and page.row("sie:rotation, features")[1] == "0.670"


@pytest.mark.parametrize(
    ("settings", "shown"),
    [(PAPERS, True), ({**PAPERS, "resolution": 64}, False), ({**PAPERS, "backbone": "resnet50"}, False), ({}, False)],
)
def test_published_numbers_are_shown_next_to_comparable_ones_alone(tmp_path: Path, settings: dict[str, Any], shown: bool) -> None:
    page = page_of(tmp_path, *several(tmp_path, **settings))
    head = page.row("method, representation")
    assert ("rotation, published" in head) == ("class, published" in head) == shown
    assert ("being of other data, another image size" in page.text) == (not shown)
    assert ("a", "href", paper_numbers.SOURCE) in page.loads
    if not shown:
        return
    at = [head.index(f"{name}, published") for name in ("rotation", "colour", "class")]
    wanted = {
        "simclr, features": ["0.506", "0.148", "0.853"],
        "simclr, embedding": ["–"] * 3,
        "simclr+, no context": ["0.478", "0.070", "0.834"],
        "simclr+, invariant context, 63 pairs": ["0.247", "0.464", "0.423"],
        "sie:rotation, features": ["0.671", "0.011", "0.773"],
        "contextssl, rotation context, 63 pairs": ["0.744", "0.023", "0.804"],
        "contextssl, colour context, 63 pairs": ["0.344", "0.986", "0.804"],
        "contextssl, no context": ["–"] * 3,
        "random, features": ["–"] * 3,
    }
    assert {name: [page.row(name)[place] for place in at] for name in wanted} == wanted
    assert page.row("contextssl", "63")[3] == "0.402" and page.row("contextssl", "7")[5] == "0.223"


def test_the_floors_are_the_first_row(page: Page) -> None:
    found = tables(page)
    assert all(rows[1][0] in ("floor", "chance") for rows in found.values())
    assert found["rotation R², fresh MLP | rotation R², fresh ridge"][1][1:] == ["0.231", "0.231", "0.000", "0.000", "0.200", "0.200"]


def test_the_best_of_each_group_is_bold(made: Comparison) -> None:
    lines = [line for line in made.markdown.read_text().split("##")[1].splitlines() if line.startswith("|")]
    cells = {line.split(" | ")[0].removeprefix("| "): line.removesuffix(" |").split(" | ")[1:] for line in lines}
    context, sie = cells["contextssl, rotation context, 63 pairs"], cells["sie:rotation, features"]
    assert context[0] == "**0.740 ± 0.100**" and context[2] == "0.030 ± 0.100"
    assert sie[0] == "0.670 ± 0.100" and sie[2] == "**0.010 ± 0.100**"
    # Alone in its group, or in one that wants nothing, nobody is the best.
    assert "**" not in "".join(cells["random, features"] + cells["contextssl, colour context, 63 pairs"])


def test_below_the_floor_nobody_is_better_than_at_it(tmp_path: Path) -> None:
    entries = [
        entry(tmp_path, name, "rotation", [rows_of({FEATURE: (0.5, value)})])
        for name, value in (("below", -0.3), ("at", 0.0), ("above", 0.2))
    ]
    made = write_comparison(entries, tmp_path / "out")
    lines = made.markdown.read_text().splitlines()
    cells = {
        name: next(line for line in lines if line.startswith(f"| {name}, features")).split(" | ")[3] for name in ("below", "at", "above")
    }
    assert cells == {"below": "**−0.300**", "at": "**0.000**", "above": "0.200"}


def test_where_more_is_better_nobody_at_the_floor_is_the_best(tmp_path: Path) -> None:
    def bold(*values: float) -> list[bool]:
        entries = [entry(tmp_path, f"{place}{value}", "rotation", [rows_of({FEATURE: (value, 0.5)})]) for place, value in enumerate(values)]
        lines = write_comparison(entries, tmp_path / "out").markdown.read_text().splitlines()
        return [
            next(line for line in lines if line.startswith(f"| {each.name}, features")).split(" | ")[1].startswith("**") for each in entries
        ]

    assert bold(0.1, 0.2) == [False, False]  # the floor is 0.231
    assert bold(0.231, 0.2312) == [False, False]  # to the digits that are written, this is the floor
    assert bold(0.1, 0.3, 0.2) == [False, True, False]


def test_retrieval_by_environment_and_length(page: Page) -> None:
    rows = tables(page)["pairs | MRR"]
    names = [row[0] if len(row) == 1 else tuple(row[:2]) for row in rows[2:]]
    start = names.index("Active: rotation")
    assert names[start : start + 5] == [
        "Active: rotation",
        ("sie:rotation", "0"),
        *(("contextssl", length) for length in ("0", "7", "63")),
    ]
    assert rows[1] == ["chance", "", "0.090", "0.020", "0.100"]
    assert rows[names.index(("contextssl", "63")) + 2][2:] == ["0.426 ± 0.100", "0.326 ± 0.100", "0.626 ± 0.100"]
    assert "Active: no factor" in names


def test_what_takes_the_environments_name_is_compared_with_contexts(tmp_path: Path) -> None:
    named: dict[Place, tuple[float, float]] = {
        FEATURE: (0.7, 0.9),
        ("embedding", "rotation", 0): (0.73, 0.1),
        ("embedding", "color", 0): (0.3, 0.97),
        ("embedding", "none", 0): (0.31, 0.12),
    }
    both = ["rotation", "color"]
    made = write_comparison(
        [
            entry(tmp_path, "conditional", "context", [rows_of(named, erased=True)], "conditional (environment by name)", **PAPERS),
            entry(tmp_path, "contextssl", "context", [rows_of(in_context((0.74, 0.03), (0.34, 0.98)), both)], "ContextSSL", **PAPERS),
        ],
        tmp_path / "out",
    )
    page = Page(made.page.read_text())
    rows = next(rows for head, rows in tables(page).items() if "rotation R², fresh linear probe" in head)
    names = [row[0] for row in rows]
    rotation = names.index("Rotation: rotation high, colour low")
    assert set(names[rotation + 1 : rotation + 3]) == {"conditional, rotation given by name", "contextssl, rotation context, 63 pairs"}
    assert names[names.index("Invariance: every factor low") + 1] == "conditional, no factor given by name"
    assert page.row("conditional, rotation given by name")[1] == "0.730"
    # The paper's number at no context is ContextSSL's.
    retrieval = next(rows for head, rows in tables(page).items() if head.startswith("pairs | MRR"))
    published_at = retrieval[0].index("MRR, published")
    start = [row[0] for row in retrieval].index("Active: rotation") + 1
    shown = {(row[0], row[1]): row[published_at] for row in retrieval[start : start + 4]}
    assert shown["conditional", "0"] == "–" and shown["contextssl", "0"] == "0.240"
    erased = [row[0] for row in next(rows for head, rows in tables(page).items() if head.startswith("pairs | rotation R², ridge"))]
    assert "conditional, environment given by name" in erased and "conditional, erased, fitted on all training views" in erased
    html = made.page.read_text()
    assert "conditional at 0.73, 0.10" in html and "conditional at 0.30, 0.97" in html


def test_erasure_is_compared_with_the_contexts_own_numbers(page: Page, tmp_path: Path) -> None:
    rows = tables(page)["pairs | rotation R², ridge"]
    names = [tuple(row[:2]) for row in rows]
    own = rows[names.index(("contextssl, its own context", "63"))]
    assert own[2:4] == ["0.740 ± 0.100", "0.650 ± 0.100"]
    erased = rows[names.index(("sie:rotation, erased, fitted on a context", "63"))]
    assert erased[2] == "0.700 ± 0.100" and ("sie:rotation, erased, fitted on all training views", "") in names
    assert not any(name.startswith(("simclr", "sie:rotation, its own")) for name, *_ in names)
    without = entry(tmp_path, "contextssl", "context", [rows_of(in_context((0.7, 0.0), (0.3, 0.9)), ["rotation"])])
    assert "Concept erasure" not in page_of(tmp_path, without).text


def test_the_page_holds_all_that_it_shows(made: Comparison, page: Page) -> None:
    html = made.page.read_text()
    for tag, _, value in page.loads:
        assert value.startswith("#") or (tag == "a" and value == paper_numbers.SOURCE), (tag, value)
    assert not {"script", "link", "iframe", "object", "embed", "img"} & set(page.tags)
    assert not re.search(r"@import|url\((?!#)", html) and "default-src &#39;none&#39;" in html
    assert len(page.ids) == len(set(page.ids)) and {value[1:] for _, _, value in page.loads if value.startswith("#")} <= set(page.ids)
    assert "contextssl compare seeds=[0,1,2]" in page.text and "date: 2026-11-24" in page.text
    assert "not evaluated in the same way" not in page.text and made.differences == ()


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = '</td><script>alert("1")</script>|'
    made = write_comparison(
        [replace(entry(tmp_path, "plain", "rotation", [rows_of(SIE)]), name=evil)], tmp_path / "out", about={evil: evil}
    )
    page = Page(made.page.read_text())
    assert "script" not in page.tags and f"{evil}, features" in [row[0] for row in page.rows]
    assert "</script>\\|, features | **0.670** |" in made.markdown.read_text()


def test_markdown_holds_the_numbers_of_the_page(made: Comparison, page: Page) -> None:
    text = made.markdown.read_text()
    lines = [[cell.strip().strip("*") for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    for rows in tables(page).values():
        for row in rows:
            if len(row) > 1 and row[0] != "":
                assert row in lines, row
    assert text.startswith("# Comparison: 5 models") and "![Rotation against colour](figures/rotation-color.png)" in text
    assert f"[the paper]({paper_numbers.SOURCE})" in text


def test_every_number_is_in_the_csv(made: Comparison) -> None:
    with made.csv.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    about = {"metric": "r2_pooled", "factor": "rotation", "head": "mlp", "protocol": "equivariance"}
    asked = {"entry": "contextssl", "condition": "embedding, rotation context, 63 pairs", **about}
    found = [line for line in lines if all(line[name] == value for name, value in asked.items())]
    assert len(found) == 1 and (found[0]["group"], found[0]["seeds"], found[0]["length"]) == ("context", "3", "126")
    assert [float(found[0][name]) for name in ("mean", "std", "floor")] == pytest.approx([0.74, 0.1, 0.231])
    assert {line["entry"] for line in lines} == {"simclr", "simclr+", "sie:rotation", "contextssl", "random"}


def test_the_picture_has_a_point_a_method_and_context(made: Comparison) -> None:
    assert [path.name for path in made.figures] == ["rotation-color.png", "rotation-color.svg"]
    with Image.open(made.figures[0]) as picture:
        assert picture.width > 1200
    text = " ".join(ElementTree.parse(made.figures[1]).getroot().itertext())
    for label in ("simclr+ (c = 0)", "contextssl (c = 0)", "Rotation: rotation high, colour low", "rotation R², fresh MLP"):
        assert label in text, label
    html = made.page.read_text()
    assert "contextssl at 0.34, 0.98" in html and "sie at 0.67, 0.01" in html


def test_other_factors_name_the_picture(tmp_path: Path) -> None:
    names = {"rotation": "crop", "color": "blur"}
    rows = [replace(row, factor=names.get(row.factor or "", row.factor)) for row in rows_of(SIE, ["crop"]) if row.metric != "angle_deg"]
    made = write_comparison([entry(tmp_path, "sie:crop", "crop", [rows])], tmp_path / "out")
    assert [path.name for path in made.figures] == ["crop-blur.png", "crop-blur.svg"]
    assert "Crop: crop high, blur low" in made.page.read_text()
    alone = [row for row in rows if row.factor != "blur"]
    assert write_comparison([entry(tmp_path, "one", "crop", [alone])], tmp_path / "out").figures == ()


def test_numbers_of_a_further_protocol_have_a_table(tmp_path: Path) -> None:
    rows = [
        ResultRow(
            "context-sensitivity",
            "variance_share",
            0.5,
            "rotation",
            "rotation",
            14,
            "embedding",
            split="val",
            count=9,
            floor=0.0,
            context=context,
        )
        for context in (None, "shuffled")
    ]
    page = page_of(tmp_path, entry(tmp_path, "contextssl", "context", [rows, shifted(rows, 0.2)]))
    assert page.row("contextssl, embedding, shuffled") == ["contextssl, embedding, shuffled", "rotation", "7", "0.600 ± 0.141"]


def test_rows_of_another_split_play_no_part(tmp_path: Path) -> None:
    rows = rows_of(SIE, ["rotation"])
    folder = write_run(tmp_path / "run", [*rows, *shifted([replace(row, split="train") for row in rows], -0.2)], training=False)
    page = page_of(tmp_path, Entry("sie", "rotation", (read_run(folder, split="train"),)), split="train")
    assert page.row("sie, features")[1] == "0.470" and "train split" in page.text


def test_runs_that_were_not_measured_in_the_same_way_are_warned_of(tmp_path: Path) -> None:
    runs = []
    for seed in range(7):
        changed = evaluations(queries=7) if seed == 6 else evaluations()
        folder = write_run(tmp_path / f"seed{seed}", rows_of(SIE, ["rotation"]), training=False, evaluated=changed, seed=seed)
        runs.append(read_run(folder, f"sie, seed {seed}"))
    made = write_comparison([Entry("sie", "rotation", tuple(runs))], tmp_path / "out")
    said = "queries (retrieval): 50 in sie, seed 0, sie, seed 1, sie, seed 2 and 3 more; 7 in sie, seed 6"
    assert made.differences == (said,)
    assert said in Page(made.page.read_text()).text and said in made.markdown.read_text()


def test_a_method_without_contexts_differs_in_none(tmp_path: Path) -> None:
    entries = several(tmp_path)
    assert differences([run for each in entries for run in each.runs]) == []


def test_labels_lie_apart_and_inside() -> None:
    points = [(20.0, 50.0), (24.0, 52.0), (28.0, 49.0), (195.0, 50.0)]
    widths = [40.0, 40.0, 40.0, 40.0]
    taken = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    boxes = [Box(left, low, left + 40, low + HEIGHT) for left, low in place_labels(points, widths, taken, Box(0, 0, 200, 100))]
    for index, box in enumerate(boxes):
        assert box.left >= 0 and box.right <= 200 and box.low >= 0 and box.high <= 100
        assert all(box.shared(other) == 0 for other in [*boxes[:index], *taken])
