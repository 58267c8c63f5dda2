"""The page itself: plain HTML, CSS and JavaScript of this package, which loads nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from contextssl.report import page as report_page
from contextssl.report.markup import Markup, element

FOLDER = Path(__file__).with_name("page_files")
# In the order in which they are run: each knows those before it.
SCRIPTS = ("elements.js", "colours.js", "sources.js", "strips.js", "query.js", "examples.js", "map.js", "description.js", "explorer.js")
STYLES = ("page.css", "explorer.css")
# Of a page without a server the id of the element that holds its data.
DATA = "data"


@cache
def asset(name: str) -> str:
    """The text of a script or a style."""
    folder = Path(report_page.__file__).parent if name == "page.css" else FOLDER
    return (folder / name).read_text(encoding="utf-8")


def served_page(name: str) -> str:
    """The page of a server, which loads scripts and styles from it."""
    styles = [element("link", rel="stylesheet", href=f"files/{each}") for each in STYLES]
    scripts = [element("script", src=f"files/{each}", defer=True) for each in SCRIPTS]
    return _document(name, None, [*styles, *scripts], None)


def whole_page(name: str, data: Any) -> str:
    """The page as one file that holds its data, and may run no script but its own."""
    script = "\n".join(asset(each) for each in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    # Within a script nothing is markup but its end.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    styles = element("style", Markup("\n".join(asset(each) for each in STYLES)))
    ends = [element("script", Markup(text), id=DATA, type="application/json"), element("script", Markup(script))]
    return _document(name, policy, [styles], ends)


def _document(name: str, policy: str | None, head: list[Markup], end: list[Markup] | None) -> str:
    metas = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        None if policy is None else element("meta", http_equiv="Content-Security-Policy", content=policy),
        # Without it browsers ask for one.
        element("link", rel="icon", href="data:,"),
    ]
    whole = element(
        "html",
        element("head", metas, element("title", f"contextssl explorer: {name}"), head),
        element("body", Markup(asset("body.html")), end),
        lang="en",
    )
    return Markup("<!doctype html>\n") + whole + "\n"
