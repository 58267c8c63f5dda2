"""Whatever names hold, the explorer's page stays text, served or as one file: tried in a browser, with and without the page's own security policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contextssl.explorer.answers import Explorer
from contextssl.explorer.one_file import kept_data
from contextssl.explorer.page import whole_page
from tests.browsers import CHROMIUM, HOSTILE, looked_at
from tests.explorer.test_browser import served
from tests.explorer.test_uploads import image_bytes
from tests.explorer.tiny import tiny_explorer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def hostile() -> Explorer:
    """A toy whose captions, classes, kinds, name and description are hostile."""
    toy = tiny_explorer()
    names = list(HOSTILE) * 10
    shown = dataclasses.replace(toy.shown, captions=names[: len(toy.shown)], class_names=names[: len(toy.shown.class_names)])
    kinds = []
    for kind, name in zip(toy.kinds, names, strict=False):
        words: dict[str, Any] = {field.name: name for field in dataclasses.fields(kind) if isinstance(getattr(kind, field.name), str)}
        kinds.append(dataclasses.replace(kind, **words))
    return Explorer(toy.model, shown, kinds, about=" ".join(HOSTILE), name=HOSTILE[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def one_file(hostile: Explorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inert") / "explorer.html"
    path.write_text(whole_page(hostile.name, kept_data(hostile)), encoding="utf-8")
    return path


@pytest.mark.parametrize("policy", [True, False])
def test_one_file_runs_its_own_script_alone(browser: Any, one_file: Path, policy: bool) -> None:
    with looked_at(browser, one_file.as_uri(), policy=policy) as looked:
        looked.page.wait_for_function("() => document.querySelectorAll('#after .thumb, #without .thumb').length > 0")
        for thumb in looked.page.locator("#all button").all()[:4]:
            thumb.click()
        assert HOSTILE[2] in looked.page.content() or HOSTILE[0] in looked.page.locator("body").inner_text()
        looked.check()
        assert looked.errors == []


@pytest.mark.parametrize("policy", [True, False])
def test_a_served_page_shows_names_of_files_as_they_are(browser: Any, hostile: Explorer, tmp_path: Path, policy: bool) -> None:
    named = tmp_path / "<img src=x onerror=document.documentElement.dataset.ran=1>.png"
    named.write_bytes(image_bytes())
    for address in served(hostile):
        with looked_at(browser, address, policy=policy) as looked:
            looked.page.wait_for_function("() => document.querySelectorAll('#all button').length > 0")
            looked.page.get_by_label("your own image").set_input_files([named])
            looked.page.wait_for_function("() => document.querySelector('#query').textContent.includes('onerror')")
            looked.check()
            assert looked.errors == []
