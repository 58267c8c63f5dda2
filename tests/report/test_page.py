"""The page against its rows: numbers, floors, what is missing, several runs, escaping, and that nothing is loaded from elsewhere."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from contextssl.errors import DataError, SettingsError
from contextssl.records.results import ResultRow, read_results, write_results
from contextssl.report import paper_numbers, write_report
from contextssl.report.collect import differences, read_run, read_runs
from contextssl.report.figures import adaptation, by_length
from contextssl.report.page import pictures_of
from contextssl.report.panels import position
from tests.report.pages import Page
from tests.report.synthetic import about, evaluations, online_rows, rows, write_run


def report_of(*folders: Path, figures: bool = False) -> Page:
    report = write_report(folders, folders[0].parent / "page.html", figures=figures)
    return Page(report.page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return report_of(folder)


def test_the_headline_is_made_of_the_rows(folder: Path, page: Page) -> None:
    run = read_run(folder)
    shares = {f: run.find(metric="variance_share", environment="rotation", length=14, factor=f)[0].mean for f in ("rotation", "color")}
    rotation, colour = 100 * shares["rotation"], 100 * shares["color"]
    said = f"7 pairs of a rotation context: rotation explains {rotation:.0f}\u00a0% of the embedding’s variance and colour {colour:.1f}\u00a0%."
    assert said in page.text
    assert "With no context: rotation explains 22\u00a0% of the embedding’s variance and colour 22\u00a0%." in page.text


def test_every_row_is_on_the_page(page: Page) -> None:
    """Means, deviations and floors, as the tables write them."""
    for row in rows():
        digits = 1 if row.metric == "angle_deg" else 2 if row.metric == "capacity_nats" else 3
        for value in (row.mean, row.floor):
            if value is not None:
                assert f"{value:.{digits}f}".replace("-", "−") in page.text, row
        if row.std is not None:
            assert f"{row.mean:.{digits}f} ± {row.std:.{digits}f}".replace("-", "−") in page.text, row


def test_figures_draw_the_rows(folder: Path) -> None:
    run = read_run(folder)
    picture = adaptation([run])
    assert picture is not None and [panel.title for panel in picture.panels] == ["Rotation context", "Colour context"]
    line = next(line for line in picture.panels[0].lines if line.colour == "color")
    wanted = {
        row.length: row.mean for row in rows() if row.metric == "variance_share" and row.factor == "color" and row.environment != "color"
    }
    assert dict(zip(line.x, line.y, strict=True)) == {position(length or 0): mean for length, mean in wanted.items()}
    assert line.deviation is not None and line.deviation[0] == 0 and line.deviation[1:] == [0.0123] * 4
    r2 = pictures_of([run])["r2"]
    assert r2 is not None and {floor.colour: floor.value for floor in r2.panels[0].floors} == {"rotation": pytest.approx(0.231)}


def test_floors_are_given_with_the_numbers(page: Page) -> None:
    assert page.row("floor: a constant, or the most frequent class")[1:4] == ["0.231", "0.000", "106.9°"]
    assert page.row("chance", "")[2:4] == ["0.090", "0.020"]


def test_the_papers_rows_are_the_published_ones(page: Page) -> None:
    row = page.row("rotation: ContextSSL, rotation context")
    assert (row[1], "0.804" in row) == ("0.744", True) and "encoder: not comparable" in page.text
    assert page.row("rotation", "63")[2] != "" and "0.292" in page.text


@pytest.mark.parametrize("dataset", ["3diebench", "shapes"])
def test_published_curves_stand_in_the_figure_only_where_comparable(tmp_path: Path, dataset: str) -> None:
    pictures = pictures_of(read_runs([write_run(tmp_path / "run", dataset=dataset, resolution=128)]))
    assert pictures["r2"] is not None
    faint = [line.label for panel in pictures["r2"].panels for line in panel.lines if line.faint]
    assert len(faint) == (4 if dataset == "3diebench" else 0)
    assert (pictures["paper"] is None) == (dataset == "3diebench")


def test_fresh_probes_are_described_with_their_numbers(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "R² of colour (inactive) 0.87 without noise, 0.18 at noise 0.3 and 0.06 at noise 1, floor 0.00" in text
    assert "of rotation (active) 0.90 without noise, 0.89 at noise 0.3 and 0.87 at noise 1, floor 0.46" in text
    assert "11.5 nats at noise 0.3 and 6.2 nats at noise 1 in 7 pairs of a rotation context" in text


def test_hasty_probes_are_said_to_be(tmp_path: Path, page: Page) -> None:
    hasty = write_run(tmp_path / "hasty", evaluated=evaluations(epochs=20))
    write_report([hasty], gallery=False)
    text = Page((hasty / "report.html").read_text()).text
    assert "20 epochs, not the published 200" in text and "20 epochs, not the published 300" in text
    assert "not the published" not in page.text


def test_the_page_holds_all_that_it_shows(folder: Path, page: Page) -> None:
    html = (folder.parent / "page.html").read_text()
    for tag, _, value in page.loads:
        assert value.startswith(("#", "data:image/")) or (tag == "a" and value == paper_numbers.SOURCE), (tag, value)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert not re.search(r"@import|url\((?!#)", html) and "http-equiv" in html and "default-src &#39;none&#39;" in html
    assert len(page.ids) == len(set(page.ids))
    assert "prefers-color-scheme: dark" in html and 'name="viewport"' in html
    assert len(html) < 1_000_000


def test_svgs_take_the_pages_colours(folder: Path, page: Page) -> None:
    html = (folder.parent / "page.html").read_text()
    svgs = re.findall(r'<svg viewBox[^>]*role="img".*?</svg>', html, re.DOTALL)
    assert len(svgs) >= 10
    for svg in svgs:
        assert not re.search(r"#[0-9a-f]{6}\b", svg), "a fixed colour would not turn with the page"
        assert "var(--ink)" in svg or "var(--muted)" in svg
        ElementTree.fromstring(svg)


def test_every_figure_has_a_caption_that_says_what_to_see(page: Page) -> None:
    assert page.tags.count("figure") == page.tags.count("figcaption") >= 6


def test_figures_are_written_as_files(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", keep=lambda row: row.metric in ("variance_share", "mrr"), training=False)
    report = write_report([folder], tmp_path / "page.html")
    assert [path.name for path in report.figures] == ["adaptation.png", "adaptation.svg", "retrieval.png", "retrieval.svg"]
    with Image.open(tmp_path / "figures" / "adaptation.png") as picture:
        assert picture.width > 1200
    svg = ElementTree.parse(tmp_path / "figures" / "adaptation.svg")
    text = " ".join(svg.getroot().itertext())
    assert "Rotation context" in text and "7 pairs of a rotation context" in text
    again = write_report([folder], tmp_path / "again" / "page.html")
    for one, other in zip(report.figures, again.figures, strict=True):
        assert one.read_bytes() == other.read_bytes(), "the same rows give the same files"
    assert report.page.read_bytes() == again.page.read_bytes()


def test_a_run_that_was_only_trained(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "trained", online_rows(), evaluated={})
    page = report_of(folder)
    assert f"contextssl evaluate all {folder}" in page.text and f"contextssl evaluate geometry {folder}" in page.text
    said = (
        "7 pairs of a rotation context: the model’s own head predicts rotation at R² 0.90 (floor 0.46) and colour at R² 0.05 (floor 0.46)."
    )
    assert said in page.text
    assert page.row("n layer")[1] == "3" and page.row("seed")[1] == "7"


@pytest.mark.parametrize(("method", "asked"), [("contextssl", False), ("conditional", False), ("simclr", True)])
def test_retrieval_is_not_asked_of_a_model_of_examples(tmp_path: Path, method: str, asked: bool) -> None:
    """Without an action nothing can be predicted. A baseline predicts the view itself, whatever its experiment."""
    folder = write_run(tmp_path / "run", keep=lambda row: row.protocol != "retrieval", method=method, context="examples")
    assert ("evaluate retrieval" in report_of(folder).text) is asked


@pytest.mark.parametrize("protocol", ["geometry", "equivariance", "probe", "retrieval"])
def test_a_missing_protocol_is_one_line_that_says_how_to_fill_it(tmp_path: Path, protocol: str) -> None:
    folder = write_run(tmp_path / "run", keep=lambda row: row.protocol != protocol)
    page = report_of(folder)
    assert f"run was not evaluated by {protocol}, so" in page.text and f"contextssl evaluate {protocol} {folder}" in page.text
    others = {"geometry", "equivariance", "probe", "retrieval"} - {protocol}
    assert not any(f"contextssl evaluate {other} " in page.text for other in others)


def test_undefined_numbers_are_said_to_be(tmp_path: Path) -> None:
    changed = [
        dataclasses.replace(row, mean=math.nan, floor=None) if row.factor == "color" and row.metric == "r2" else row for row in rows()
    ]
    page = report_of(write_run(tmp_path / "run", changed))
    assert "undefined" in page.row("no context") and "nan" not in page.text.lower().split()


def test_environments_are_named_the_same_in_every_table(tmp_path: Path) -> None:
    other = {"rotation": "rotation+color", "color": "none", None: None}
    page = report_of(write_run(tmp_path / "run", [dataclasses.replace(row, environment=other[row.environment]) for row in rows()]))
    named = {row[0] for row in page.rows if len(row) > 2 and row[1] == "7"}
    assert {"rotation + colour", "invariant"} <= named and not {"rotation + color", "none", "color"} & named


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = '<img src=x onerror="alert(1)">&'
    strange = [dataclasses.replace(row, factor=f"{evil}{row.factor}") if row.metric == "pre" else row for row in rows()]
    folder = write_run(tmp_path / 'a<b>&"c"', strange, backbone="</table><script>alert(1)</script>")
    page = report_of(folder)
    assert "script" not in page.tags and not any(value == "x" for _, _, value in page.loads)
    assert 'a<b>&"c"' in page.text and "</table><script>alert(1)</script>" in page.text


def test_several_runs_stand_side_by_side(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", seed=1)
    half = [dataclasses.replace(row, mean=row.mean / 2) if row.metric == "variance_share" else row for row in rows()]
    two = write_run(tmp_path / "two", half, seed=2)
    page = report_of(one, two)
    assert "one. 7 pairs" in page.text and "two. 7 pairs" in page.text and "not evaluated in the same way" not in page.text
    picture = adaptation(read_runs([one, two]))
    assert picture is not None and [label for label, _, _ in picture.legend] == ["one", "two"]
    lines = {line.label: line for line in picture.panels[0].lines}
    assert lines["rotation, two"].y[2] == pytest.approx(lines["rotation, one"].y[2] / 2)
    assert lines["rotation, one"].style != lines["rotation, two"].style and lines["rotation, one"].colour == lines["rotation, two"].colour
    settings = next(row for row in page.rows if row[0] == "seed" and len(row) == 3)
    assert settings[0] == "seed"


def test_runs_that_were_measured_in_the_same_way_differ_in_nothing(tmp_path: Path) -> None:
    assert differences(read_runs([write_run(tmp_path / "one"), write_run(tmp_path / "two", seed=3)])) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contexts": 5}, "contexts"),
        ({"items": 20}, "items"),
        ({"epochs": 3}, "epochs (equivariance, probe): the default in one; 3 in two"),
        ({"queries": 0}, "queries (retrieval): 50 in one; 0 in two"),
        ({"neighbours": 5}, "neighbours (probe, geometry)"),
        ({"bottleneck": [0.0, 0.5]}, "bottleneck"),
        ({"data": {"fingerprint": "beef"}}, "data"),
        ({"definitions": {"r2": "another"}}, "the definition of r2"),
    ],
)
def test_runs_with_other_definitions_are_warned_of(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    one = write_run(tmp_path / "one")
    two = write_run(tmp_path / "two", evaluated=evaluations(**changed))
    found = differences(read_runs([one, two]))
    assert any(phrase.startswith(said) for phrase in found), found


def test_alarms_of_a_training_stand_at_the_top(tmp_path: Path) -> None:
    made = [
        {"kind": "collapse", "since": 120, "until": 900, "says": "all views <b>are one</b>; lower learning_rate"},
        {"kind": "contexts not read", "since": 1000, "until": None, "says": "contexts are not read yet; train longer"},
    ]
    folder = write_run(tmp_path / "run")
    described, numbers = read_results(folder)
    write_results(folder, {**described, "alarms": made}, numbers)
    page = write_report([folder], gallery=False, figures=False).page.read_text()
    top = page[: page.index("<nav")]
    first, second = (
        top.index(words) for words in ("in alarm from step 1,000 to the end: contexts are not read yet", "from step 120 to step 900")
    )
    assert first < second and "all views &lt;b&gt;are one" in top
    assert "2, of which 1 to the end" in page
    write_results(folder, {**described, "alarms": []}, numbers)
    page = write_report([folder], gallery=False, figures=False).page.read_text()
    assert "in alarm" not in page and "<td>none</td>" in page
    for damaged in ("no list", [{"says": "no step", "kind": "collapse"}], [{**made[0], "until": "late"}]):
        write_results(folder, {**described, "alarms": damaged}, numbers)
        with pytest.raises(DataError, match="alarms are not what they were"):
            read_results(folder)


def test_the_warning_is_one_line_of_the_page(tmp_path: Path) -> None:
    one, two = (write_run(tmp_path / name, keep=lambda row: row.metric == "mrr") for name in ("one", "two"))
    write_run(two, keep=lambda row: row.metric == "mrr", evaluated=evaluations(queries=0, items=20))
    page = report_of(one, two)
    assert page.text.count("These runs were not evaluated in the same way") == 1
    assert "items (retrieval): 50 in one; 20 in two · queries (retrieval): 50 in one; 0 in two" in page.text


def test_the_rows_themselves_tell_another_count(tmp_path: Path) -> None:
    found = differences(read_runs([write_run(tmp_path / "one"), write_run(tmp_path / "two", rows(n=5, count=90))]))
    assert any(phrase.startswith("contexts behind a mean") for phrase in found)
    assert any(phrase.startswith("queries or views") for phrase in found)


def test_splits_are_not_mixed(tmp_path: Path) -> None:
    train = [dataclasses.replace(row, mean=row.mean / 4) for row in rows(split="train")]
    folder = write_run(tmp_path / "run", [*rows(), *train], evaluated={**evaluations(), **evaluations("train")})
    on_val, on_train = read_run(folder), read_run(folder, split="train")
    share = [run.curve("geometry", "variance_share", "color", factor="color")[2].mean for run in (on_val, on_train)]
    assert len(on_val.rows) == len(on_train.rows) and share[1] == pytest.approx(share[0] / 4)
    only = write_run(tmp_path / "only")
    with pytest.raises(DataError, match="no numbers of the split train: it has val"):
        read_run(only, split="train")


def test_the_curve_starts_with_no_context_and_knows_its_environment(folder: Path) -> None:
    run = read_run(folder)
    for environment in ("rotation", "color"):
        curve = run.curve("geometry", "variance_share", environment, factor="rotation")
        assert [row.length for row in curve] == [0, 2, 14, 30, 126] and [row.environment for row in curve] == [None, *[environment] * 4]
        assert {row.environment for row in run.curve("retrieval", "mrr", environment)} == {environment}


def test_mistakes_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"contextssl report RUN"):
        read_runs([])
    with pytest.raises(DataError, match="no run at .*nowhere: check the path"):
        read_runs([tmp_path / "nowhere"])
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    with pytest.raises(DataError, match=r"has no results.json: finish it by contextssl train resume="):
        read_runs([tmp_path / "empty"])
    good = write_run(tmp_path / "good")
    with pytest.raises(SettingsError, match="named twice"):
        read_runs([good, tmp_path / "good" / ".." / "good"])
    with pytest.raises(SettingsError, match=r"name an .html file"):
        write_report([good], tmp_path / "page.pdf")
    with pytest.raises(DataError, match="holds no numbers: make some by contextssl evaluate all"):
        read_runs([write_run(tmp_path / "bare", [])])


@pytest.mark.parametrize(
    "damage", ["{", '{"rows": []}', '{"run": {}, "rows": [{"mean": 1}]}', '{"run": {}, "rows": [{"protocol": "x", "mean": "y"}]}', "[1]"]
)
def test_damaged_results_are_one_clear_line(tmp_path: Path, damage: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "results.json").write_text(damage)
    with pytest.raises(DataError, match=r"results.json is damaged \(.*\): remove it and write it again by contextssl evaluate all"):
        read_run(folder)


def test_training_curves_pass_over_a_cut_line_and_thin_by_means(folder: Path, tmp_path: Path) -> None:
    run = read_run(folder)
    assert len(run.training["train/contrastive_loss"]) == 1000
    picture = pictures_of([run])["training"]
    assert picture is not None
    loss = picture.panels[0].lines[0]
    assert len(loss.x) <= 300 and loss.y[0] == pytest.approx(sum(6 - step / 500 for step in (1, 2, 3, 4)) / 4)
    assert "No training curves" in report_of(write_run(tmp_path / "run", training=False)).text


def test_runs_of_one_name_are_distinguished(tmp_path: Path) -> None:
    runs = read_runs([write_run(tmp_path / "a" / "run"), write_run(tmp_path / "b" / "run")])
    assert [run.name for run in runs] == ["a/run", "b/run"]


def test_any_factors_and_environments(tmp_path: Path) -> None:
    """Factors of the user's own, one of them in an environment with another."""
    made = [
        ResultRow("geometry", "variance_share", 0.4, factor, environment, length, "embedding", split="val", count=9, floor=0.0)
        for factor in ("crop", "blur", "gender")
        for environment, length in ((None, 0), ("crop", 14), ("crop+blur", 14))
    ]
    folder = write_run(tmp_path / "own", made)
    assert "7 pairs of a crop context: crop explains 40\u00a0%" in report_of(folder).text
    panels = by_length([read_run(folder)], "geometry", "variance_share", ylabel="share")
    assert [panel.title for panel in panels] == ["Crop context", "Crop + blur context"] and len(panels[1].lines) == 3


def test_a_published_checkpoints_results_have_no_settings(tmp_path: Path) -> None:
    from contextssl.records.results import write_results

    folder = tmp_path / "published"
    folder.mkdir()
    write_results(folder, {"load_model": "simclr.pt", "data": {}, "evaluations": evaluations()}, rows())
    page = report_of(folder)
    assert page.row("model")[1] == "simclr.pt" and page.row("data")[1] == "3diebench"
    assert about()["seed"] == 7


def test_the_title_claims_no_more_than_the_rows_show(tmp_path: Path) -> None:
    flat = [dataclasses.replace(row, mean=0.2) if row.metric == "variance_share" else row for row in rows()]
    titles = []
    for name, made in (("good", rows()), ("flat", flat)):
        picture = adaptation([read_run(write_run(tmp_path / name, made))])
        assert picture is not None
        titles.append(picture.title)
    assert "adapts" in titles[0] and "adapts" not in titles[1]


def test_a_run_of_two_checkpoints_names_both(tmp_path: Path) -> None:
    """Version 0.1 let one results file hold the numbers of two."""
    made = evaluations()
    made["geometry"] = {
        **made["geometry"],
        "weights": "fedcba9876543210",
        "settings": {**made["geometry"]["settings"], "checkpoint": "epoch=0000"},
    }
    run = read_run(write_run(tmp_path / "run", evaluated=made))
    (said,) = differences([run])
    assert said == "checkpoint (run): equivariance, probe, retrieval of last; geometry of epoch=0000"
    assert "epoch=0000" in write_report([run.folder]).page.read_text()
    assert differences([read_run(write_run(tmp_path / "one"))]) == []


def test_the_papers_probes_and_retrieval_are_shown_as_such(tmp_path: Path) -> None:
    as_published = []
    for row in rows():
        if row.head in ("mlp", "linear"):
            as_published.append(dataclasses.replace(row, head="published"))
        elif row.protocol == "retrieval":
            as_published.append(dataclasses.replace(row, split="train"))
        else:
            as_published.append(row)
    made = evaluations()
    made["retrieval (train)"] = {
        **made["retrieval"],
        "split": "train",
        "settings": {**made["retrieval"]["settings"], "sources": "published"},
    }
    del made["retrieval"]
    run = read_run(write_run(tmp_path / "run", as_published, evaluated=made))
    assert run.retrieval_as_published and run.has("retrieval") and "retrieval" in run.evaluations
    assert run.published_head("rotation") == "published" and run.published_head("color", "probe") == "published"
    text = write_report([run.folder]).page.read_text()
    assert "train split, as published" in text and "the paper’s probe" in text
    both = write_run(tmp_path / "both", [*rows(), *as_published], evaluated={**evaluations(), **made})
    assert not read_run(both).retrieval_as_published and read_run(both, prefer_published=True).retrieval_as_published
