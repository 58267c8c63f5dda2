"""Headless Chromium, where it is installed, and a page that tells whether anything ran on it that should not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# What each of these does to a page on which it runs.
RUNS = "document.documentElement.setAttribute('data-ran',1)"
# Names as nobody calls anything: each runs where it is taken for markup, an attribute, an address, a style or a piece of script.
HOSTILE = (
    f"<script>{RUNS}</script>",
    f"</script><script>{RUNS}</script>",
    f"</title></style></textarea><script>{RUNS}</script>",
    f'"><img src=x onerror="{RUNS}">',
    f"'><img src=x onerror='{RUNS}'>",
    f"<svg onload={RUNS}>",
    f"<svg><script>{RUNS}</script></svg>",
    f"javascript:{RUNS}",
    f"[words](javascript:{RUNS})",
    f'" autofocus tabindex=1 onfocus="{RUNS}" x="',
    f"<iframe srcdoc='<script>parent.{RUNS}</script>'>",
    "<base href='http://evil.invalid/'>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid/'>",
    "<link rel=stylesheet href=http://evil.invalid/x.css>",
    "</style><style>@import 'http://evil.invalid/x.css';</style>",
    "--><!--><img src=http://evil.invalid/x>",
    "&lt;script&gt; &#x3c;script&#x3e;",
    "\u2028\u2029\u202e${1+1}{{7*7}}`",
)


@dataclass
class Looked:
    """What happened while a page was open: dialogs, addresses that were asked for beyond the page itself, and errors of its scripts."""

    page: Any
    dialogs: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing of a name ran, was asked for, or became an element that could."""
        assert self.page.evaluate("document.documentElement.getAttribute('data-ran')") is None
        assert self.dialogs == [] and self.asked == []
        handlers = (
            "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames().filter(n => n.startsWith('on')).map(n => e.outerHTML))"
        )
        assert self.page.evaluate(handlers) == []
        scripts = "[...document.querySelectorAll('[href],[src]')].map(e => e.getAttribute('href') || e.getAttribute('src'))"
        assert [each for each in self.page.evaluate(scripts) if each.strip().lower().startswith(("javascript:", "http:", "//"))] == []
        assert self.page.locator("iframe, object, embed, base, form").count() == 0


@contextmanager
def looked_at(browser: Any, address: str, *, policy: bool) -> Iterator[Looked]:
    """A page in a browser; ``policy``: whether the page's own security policy holds, which would hide a name that was not escaped."""
    context = browser.new_context(bypass_csp=not policy)
    looked = Looked(context.new_page())

    def dismissed(dialog: Any) -> None:
        looked.dialogs.append(dialog.message)
        dialog.dismiss()

    looked.page.on("dialog", dismissed)
    looked.page.on("pageerror", lambda error: looked.errors.append(str(error)))
    looked.page.on("request", lambda asked: None if asked.url.startswith(("data:", address)) else looked.asked.append(asked.url))
    looked.page.goto(address)
    yield looked
    context.close()
