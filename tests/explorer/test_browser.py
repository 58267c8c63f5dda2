"""The page in headless Chromium: clicks, keys and sliders change what it shows, and nothing is asked of anybody else."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from contextssl.explorer.answers import Explorer
from contextssl.explorer.one_file import kept_data
from contextssl.explorer.page import whole_page
from contextssl.explorer.server import application
from tests.explorer.test_uploads import image_bytes
from tests.explorer.tiny import tiny_explorer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
# A busy machine may take its time.
MILLISECONDS = 60_000


@dataclass
class Visitor:
    """A page with all that went wrong on it, and every address that it asked for."""

    page: Any
    base: str
    wrong: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(MILLISECONDS)
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(self.base)

    def wait_for(self, words: str) -> None:
        """Until the page tells a screen reader this much."""
        self.page.wait_for_function("words => document.querySelector('#said').textContent.includes(words)", arg=words)

    def wait_for_query(self, row: int) -> None:
        """Until a view is the query and its neighbours are shown."""
        self.page.wait_for_function("row => document.querySelectorAll('#all button')[row].getAttribute('aria-pressed') === 'true'", arg=row)

    def rows(self, of: str) -> list[int]:
        return [int(each.get_attribute("data-row")) for each in self.page.locator(f"#{of} .thumb").all()]

    def slide(self, number: int) -> None:
        self.page.locator("#number").fill(str(number))

    def check(self) -> None:
        """Nothing went wrong, and all that was asked for is the page's own or stands in it."""
        assert self.wrong == []
        assert [url for url in self.asked if not url.startswith((self.base, "data:"))] == []
        assert not self.page.locator("#error").is_visible()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def toy() -> Explorer:
    return tiny_explorer()


def served(explorer: Explorer) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(application(explorer), log_level="error", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def address(toy: Explorer) -> Iterator[str]:
    yield from served(toy)


@pytest.fixture(scope="module")
def rendered_address(explorer: Explorer) -> Iterator[str]:
    yield from served(explorer)


@pytest.fixture
def visitor(browser: Any, address: str) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    made = Visitor(context.new_page(), address)
    made.wait_for("after 7 examples")
    yield made
    context.close()


def expected(toy: Explorer, kind: int, count: int, row: int) -> list[int]:
    pairs = toy.pairs_of([(f"e{7 * kind + place}a", f"e{7 * kind + place}b") for place in range(count)])
    return [each for each, _ in toy.answer(pairs, toy.query(f"v{row}")).after]


def test_kinds_numbers_and_clicks_change_the_neighbours(visitor: Visitor, toy: Explorer) -> None:
    assert visitor.rows("after") == expected(toy, 0, 7, 0) and visitor.rows("without") == expected(toy, 0, 0, 0)
    visitor.page.get_by_label("same object").check()
    visitor.page.wait_for_function(
        "rows => [...document.querySelectorAll('#after .thumb')].map(e => +e.dataset.row) + '' === rows + ''", arg=expected(toy, 2, 7, 0)
    )
    visitor.slide(2)
    visitor.wait_for("after 2 examples")
    assert visitor.rows("after") == expected(toy, 2, 2, 0)
    assert visitor.page.locator("#pairs .pair").count() == 2 and visitor.page.locator("#counted").inner_text() == "2"
    nearest = visitor.rows("after")[0]
    visitor.page.locator("#after .thumb").first.click()
    visitor.wait_for_query(nearest)
    assert visitor.rows("after") == expected(toy, 2, 2, nearest)
    visitor.page.locator(f"#map [data-row='{visitor.rows('after')[3]}']").dispatch_event("click")
    visitor.wait_for_query(expected(toy, 2, 2, nearest)[3])
    visitor.slide(0)
    visitor.wait_for("without examples")
    assert visitor.rows("after") == [] and "100 % is left" in visitor.page.locator("#description").inner_text()
    visitor.check()


def test_the_description_is_that_of_the_pairs(visitor: Visitor, toy: Explorer) -> None:
    visitor.page.wait_for_function("() => document.querySelector('#description').textContent.includes('More pairs would')")
    said = toy.describe(toy.pairs_of([(f"e{place}a", f"e{place}b") for place in range(7)]))
    text = visitor.page.locator("#description").inner_text()
    for effect in said.factors.values():
        assert effect.says in text and f"{100 * effect.left:.0f} % ± {100 * effect.error:.0f} of its effect" in text
    assert "Below 30 % a factor is dropped, above 60 % it is kept" in text
    visitor.check()


def test_examples_are_added_from_the_views_and_taken_out(visitor: Visitor, toy: Explorer) -> None:
    visitor.slide(1)
    visitor.wait_for("after 1 example:")
    visitor.page.get_by_role("button", name="add two of the views").click()
    visitor.wait_for("Choose the first")
    visitor.page.locator("#all button").nth(3).click()
    visitor.page.locator("#all button").nth(4).click()
    visitor.wait_for("after 2 examples")
    pairs = toy.pairs_of([("e0a", "e0b"), ("v3", "v4")])
    assert visitor.rows("after") == [row for row, _ in toy.answer(pairs, toy.query("v0")).after]
    visitor.page.get_by_role("button", name="take out pair 0").click()
    visitor.wait_for("after 1 example:")
    assert visitor.rows("after") == [row for row, _ in toy.answer(toy.pairs_of([("v3", "v4")]), toy.query("v0")).after]
    # What was in use stays in use while nothing is chosen.
    visitor.page.get_by_role("button", name="add two of the views").click()
    visitor.page.keyboard.press("Escape")
    visitor.page.locator("#all button").nth(9).click()
    visitor.wait_for_query(9)
    visitor.check()


def test_images_of_ones_own_are_examples_and_query(visitor: Visitor, tmp_path: Path) -> None:
    for name, colour in {"red.png": (255, 0, 0), "blue.png": (0, 0, 255)}.items():
        (tmp_path / name).write_bytes(image_bytes(colour=colour))
    (tmp_path / "<b>no.png").write_text("no image")
    visitor.page.get_by_label("your own", exact=False).first.check()
    visitor.wait_for("without examples")
    give = visitor.page.get_by_label("add two images of your own")
    give.set_input_files([tmp_path / "red.png"])
    visitor.wait_for("red.png is the first of a pair")
    give.set_input_files([tmp_path / "blue.png"])
    visitor.wait_for("after 1 example:")
    visitor.page.get_by_label("your own image").set_input_files([tmp_path / "blue.png"])
    visitor.page.wait_for_function("() => document.querySelector('#query').textContent.includes('blue.png')")
    visitor.page.get_by_role("button", name="back to the shown view").click()
    visitor.check()
    give.set_input_files([tmp_path / "<b>no.png"])
    visitor.page.wait_for_function("() => document.querySelector('#error').textContent.includes('cannot be decoded')")
    assert visitor.page.locator("#error b").count() == 0
    # The browser itself reports an answer that is an error.
    assert len(visitor.wrong) == 1 and "400" in visitor.wrong[0]


def test_all_of_it_from_the_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "kind"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "color" and page.get_by_label("same colour").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    visitor.wait_for("after 6 examples")
    assert page.locator("#number").get_attribute("aria-valuetext") == "6 examples"
    page.locator("#map").focus()
    before = page.locator("#preview").inner_text()
    assert before
    moved = next(
        key
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown")
        if page.keyboard.press(key) or page.locator("#preview").inner_text() != before
    )
    assert moved
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('#all button')[0].getAttribute('aria-pressed') === 'false'")
    page.locator("#all button").first.focus()
    for key in ("ArrowRight", "ArrowDown", "End", "Home", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    visitor.wait_for_query(1)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select')].filter(
          (each) => !(each.labels?.length || each.textContent.trim() || each.querySelector('img[alt]') || each.getAttribute('aria-label'))).length"""
    )
    assert unnamed == 0
    visitor.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, address: str, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme=scheme, has_touch=True)
    visitor = Visitor(context.new_page(), address)
    visitor.wait_for("after 7 examples")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 400
    beyond = visitor.page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(
          (each) => !each.closest('.hidden') && each.getBoundingClientRect().right > 401).map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert beyond == []
    visitor.check()
    context.close()


def test_sliders_render_the_object_of_the_query_anew(browser: Any, rendered_address: str, explorer: Explorer) -> None:
    context = browser.new_context()
    visitor = Visitor(context.new_page(), rendered_address)
    visitor.wait_for("after 7 examples")
    before, rows = visitor.page.locator("#query img").get_attribute("src"), visitor.rows("without")
    assert visitor.page.locator("#sliders input").count() == 5
    visitor.page.get_by_role("slider", name="floor hue").press("End")
    visitor.page.wait_for_function("before => document.querySelector('#query img').src !== before", arg=before)
    assert "floor 1.00" in visitor.page.locator("#query").inner_text() and visitor.rows("without") != rows
    box = visitor.page.locator("#query").bounding_box()
    turned = visitor.page.locator("#query img").get_attribute("src")
    visitor.page.mouse.move(box["x"] + 50, box["y"] + 50)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + 90, box["y"] + 50, steps=3)
    visitor.page.mouse.up()
    visitor.page.wait_for_function("before => document.querySelector('#query img').src !== before", arg=turned)
    visitor.page.get_by_role("button", name="back to the shown view").click()
    visitor.page.wait_for_function("before => document.querySelector('#query img').src === before", arg=before)
    visitor.wait_for("after 7 examples")
    visitor.check()
    context.close()


def test_two_visitors_see_their_own(browser: Any, address: str, toy: Explorer, visitor: Visitor) -> None:
    context = browser.new_context()
    other = Visitor(context.new_page(), address)
    other.wait_for("after 7 examples")
    other.slide(3)
    visitor.slide(1)
    other.wait_for("after 3 examples")
    visitor.wait_for("after 1 example:")
    assert other.rows("after") == expected(toy, 0, 3, 0) and visitor.rows("after") == expected(toy, 0, 1, 0)
    visitor.check()
    other.check()
    context.close()


def test_the_map_is_turned_to_the_last_one(visitor: Visitor) -> None:
    """Points that were turned by any angle, and mirrored, come back to where they were."""
    result = visitor.page.evaluate(
        """() => {
          const points = [1, 0, 0, 0.5, -0.7, 0.1, 0.2, -0.9];
          const turned = points.map((_, i) => {
            const [x, y] = [points[i - i % 2], -points[i - i % 2 + 1]];
            return i % 2 ? Math.sin(2) * x + Math.cos(2) * y : Math.cos(2) * x - Math.sin(2) * y;
          });
          const turn = aligned(points, turned);
          const back = points.map((_, i) => turn(turned[i - i % 2], turned[i - i % 2 + 1])[i % 2]);
          return Math.max(...points.map((value, i) => Math.abs(value - back[i])));
        }"""
    )
    assert result < 1e-9


def test_one_file_needs_no_server(browser: Any, toy: Explorer, tmp_path: Path) -> None:
    file = tmp_path / "explorer.html"
    file.write_text(whole_page(toy.name, kept_data(toy)))
    context = browser.new_context(viewport={"width": 400, "height": 800})
    visitor = Visitor(context.new_page(), file.as_uri())
    visitor.wait_for("after 7 examples")
    assert visitor.rows("after") == expected(toy, 0, 7, 0)
    visitor.page.get_by_label("same colour").check()
    visitor.page.locator("#number").fill("3")
    visitor.wait_for("after 3 examples")
    assert visitor.rows("after") == expected(toy, 1, 3, 0)
    visitor.page.locator("#all button").nth(20).click()
    visitor.wait_for_query(20)
    assert visitor.rows("after") == expected(toy, 1, 3, 20)
    assert "More pairs would" in visitor.page.locator("#description").inner_text()
    assert visitor.page.get_by_role("button", name="add two").count() == 0 and visitor.page.get_by_label("your own").count() == 0
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 400
    visitor.check()
    assert [url for url in visitor.asked if not url.startswith("data:")] == [file.as_uri()]
    context.close()
