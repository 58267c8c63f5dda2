"""Whatever names hold, a report stays text: tried in a browser, with and without the page's own security policy, and by parsing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contextssl.report.gallery import FORMAT, GALLERY
from contextssl.report.markup import element, with_links
from contextssl.report.write import write_report
from contextssl.system.files import write_json
from tests.browsers import CHROMIUM, HOSTILE, looked_at
from tests.report.pages import Page
from tests.report.synthetic import evaluations, rows, write_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def hostile_run(folder: Path) -> Path:
    """A run all of whose names are hostile: factors, environments, heads, targets, settings, curves, notes, the gallery, its own folder."""
    names = iter(HOSTILE * 2)
    # A few of each kind: every factor and every environment is a panel of some figure.
    renamed = {value: next(names) for value in ("rotation", "color", "mlp", "linear", "knn", "ridge", "auxiliary", "pre", "capacity_nats")}
    every = [
        dataclasses.replace(
            row,
            factor=renamed.get(row.factor or "", row.factor),
            environment=None if row.environment is None else renamed[row.environment],
            head=renamed.get(row.head or "", row.head),
            metric=renamed.get(row.metric, row.metric),
        )
        for row in rows()
    ]
    every += [dataclasses.replace(row, target=name) for row, name in zip(rows(), HOSTILE, strict=False)]
    made = evaluations()
    for about in made.values():
        about |= {
            "notes": list(HOSTILE),
            "definitions": dict(zip(HOSTILE, HOSTILE, strict=True)),
            "device": next(names),
            "version": next(names),
        }
    run = write_run(
        folder / "run'><img src=x onerror=1>",
        every,
        evaluated=made,
        backbone=next(names),
        dataset="shapes",
        data_dir=next(names),
        method="simclr",
    )
    lines = "".join(f'{step},0,"{name.replace(chr(34), chr(34) * 2)}",{step}\n' for step in (1, 2, 3) for name in HOSTILE)
    (run / "metrics.csv").write_text("step,epoch,name,value\n" + lines)
    neighbours: list[dict[str, Any]] = [{"image": "a", "apart": {name: name}, "hit": False, "same_object": True} for name in HOSTILE]
    query: dict[str, Any] = {
        "query": "a",
        "target": "a",
        "class": HOSTILE[3],
        "captions": [HOSTILE[0], HOSTILE[1]],
        "apart": {name: name for name in HOSTILE},
    }
    query["without"] = neighbours
    query["environments"] = {name: {"neighbours": neighbours, "rank": 1.0, "ranked": neighbours} for name in HOSTILE[:3]}
    pair: dict[str, Any] = {"source": "a", "target": "b", "captions": [HOSTILE[2], HOSTILE[4]], "apart": {name: name for name in HOSTILE}}
    images = {"a": "data:image/gif;base64,R0lGODlhAQABAAAAACw=", "b": f"javascript:{HOSTILE[0]}"}
    gallery = {
        "format": FORMAT,
        "split": "val",
        "weights": "0123456789abcdef",
        "images": images,
        "side": 8,
        "views": 2,
        "items": 3,
        "length": 14,
    }
    write_json(run / GALLERY, {**gallery, "environments": list(HOSTILE), "context": [pair], "queries": [query]})
    return run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inert")
    write_report([hostile_run(folder)], folder / "report.html", figures=False)
    return folder / "report.html"


def test_a_report_parses_as_text(report: Path) -> None:
    page = Page(report.read_text())
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    # One address is the report's own, that of the paper.
    assert {value for _, _, value in page.loads if not value.startswith(("#", "data:image/"))} <= {"https://arxiv.org/abs/2405.18193"}
    # The names are there, as they are: the test would else pass by a page that leaves them out.
    assert [name for name in HOSTILE if re.sub(r"(?<=\w)'", "’", name) not in page.text] == []


@in_a_browser
@pytest.mark.parametrize("policy", [True, False])
def test_a_report_runs_nothing_in_a_browser(browser: Any, report: Path, policy: bool) -> None:
    with looked_at(browser, report.as_uri(), policy=policy) as looked:
        looked.check()
        assert looked.errors == [] and looked.page.locator("script, style + script").count() == 0


@in_a_browser
def test_the_browser_would_tell(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "open.html").write_text(f"<!doctype html><body>{HOSTILE[0]}{HOSTILE[3]}")
    with looked_at(browser, (tmp_path / "open.html").as_uri(), policy=True) as looked, pytest.raises(AssertionError):
        looked.check()


@pytest.mark.parametrize("name", HOSTILE)
def test_every_place_of_an_element_is_escaped(name: str) -> None:
    made = Page("<!doctype html>" + str(element("p", name, element("img", alt=name, class_=name), title=name)))
    assert made.tags == ["p", "img"] and made.loads == []


def test_a_link_leads_nowhere_but_to_pages() -> None:
    assert "javascript" not in "".join(
        value for _, _, value in Page("<!doctype html>" + str(with_links("[x](javascript:alert(1)) [y](#there)"))).loads
    )
