"""The built site: no warning, every link leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("zensical", reason="the docs extra is not installed")
pytest.importorskip("mkdocstrings", reason="the docs extra is not installed")

from website import build
from website.pages import ROOT

# What a browser loads by itself; an anchor is followed by the reader.
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src", "link": "href"}


class Page(HTMLParser):
    """The names of a page's places, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADING and LOADING[tag] in given:
            self.loads.append(given[LOADING[tag]])
        self.loads += re.findall(r"url\(([^)]+)\)", given.get("style", ""))


@cache
def page(path: Path) -> Page:
    return Page(path)


@pytest.fixture(scope="module")
def site() -> Path:
    assert build.main() == 0, "a warning is an error, and is printed above"
    return build.SITE


@pytest.fixture(scope="module")
def built(site: Path) -> list[Path]:
    # The page of an error is shown at any address, so its links begin at the root of a server.
    return [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]


def leads(path: Path, link: str) -> bool:
    """Whether there is a file, and in it a place of that name."""
    where = urlsplit(link)
    there = (path.parent / unquote(where.path)).resolve() if where.path else path
    if not there.is_file():
        return False
    return not where.fragment or there.suffix != ".html" or unquote(where.fragment) in page(there).names


def test_every_link_leads_somewhere(built: list[Path]) -> None:
    assert len(built) > 40
    links = [(path, link) for path in built for link in page(path).links if not urlsplit(link).scheme]
    assert len(links) > 3000
    assert [f"{path.name}: {link}" for path, link in links if not leads(path, link)] == []


def test_nothing_is_loaded_from_elsewhere(site: Path, built: list[Path]) -> None:
    for path in built:
        assert page(path).loads
        assert [load for load in page(path).loads if urlsplit(load).scheme not in ("", "data") or load.startswith("//")] == [], path.name
        assert [load for load in page(path).loads if not urlsplit(load).scheme and not leads(path, load)] == [], path.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text()), sheet.name


def test_the_navigation_holds_every_page_of_the_documentation(built: list[Path], site: Path) -> None:
    linked = {(site / unquote(urlsplit(link).path)).name for link in page(site / "index.html").links if not urlsplit(link).scheme}
    guides = {f"{path.stem}.html" for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".ipynb")}
    assert guides - {"index.html"} <= linked


def test_a_docstring_reads_as_text_with_references(site: Path) -> None:
    text = (site / "reference/contextssl.html").read_text()
    assert ":class:" not in text and "``" not in text
    assert re.search(r'<a [^>]*href="models.html#contextssl.models.predictor.Predictor"[^>]*><code>Predictor</code></a>', text)
    assert "Float" in text and "uint8" in text and "setting(" not in text
    assert 'class="language-sh highlight"' in (site / "index.html").read_text(), "wrapped.css goes by it"
    assert (site / "search.js").stat().st_size > 100_000
