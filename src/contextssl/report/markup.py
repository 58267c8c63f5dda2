"""HTML from Python: whatever is not markup already is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from markupsafe import Markup as Markup
from markupsafe import escape

VOID = ("img", "meta", "br", "hr", "link")

Content = str | Markup | None | Iterable["Content"]


def element(tag: str, *content: Content, **attributes: object) -> Markup:
    """``element("td", "1 < 2", class_="number")`` is ``<td class="number">1 &lt; 2</td>``.

    Attributes that are None or False are left out; underscores stand for hyphens, one at the end is dropped.
    """
    written = ""
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        written += f" {name}" if value is True else f' {name}="{escape(str(value))}"'
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    if tag == "code":
        return Markup(f"<code{written}>{escape(''.join(map(str, content)))}</code>")
    return Markup(f"<{tag}{written}>{join(*content)}</{tag}>")


def join(*content: Content) -> Markup:
    """Pieces side by side; None is nothing."""
    return Markup("".join(_written(piece) for piece in content))


def _written(piece: Content) -> str:
    if piece is None:
        return ""
    if isinstance(piece, str):
        return escape(piece if isinstance(piece, Markup) else re.sub(r"(?<=\w)'", "’", piece))
    return join(*piece)


def with_links(text: str) -> Markup:
    """Plain text, in which ``[words](address)`` is a link, to pages alone: of another address, such as ``javascript:…``, the words are left."""
    parts = re.split(r"\[([^]]+)\]\(([^)]+)\)", text)
    links = [
        element("a", words, href=address) if urlsplit(address).scheme in ("", "http", "https") else words
        for words, address in zip(parts[1::3], parts[2::3], strict=True)
    ]
    return join(parts[0], [join(link, after) for link, after in zip(links, parts[3::3], strict=True)])


def table(
    head: Sequence[Content],
    body: Iterable[Sequence[Content] | Markup],
    *,
    left: int = 1,
    caption: str | None = None,
    class_: str | None = None,
) -> Markup:
    """A table in a box of its own that scrolls sideways on a narrow screen.

    Args:
        head: column titles.
        body: rows of cells, or rows that are markup already. The first cell heads its row.
        left: so many columns at the front hold words, the rest numbers.
    """

    titles = [element("th", title, scope="col", class_="number" if index >= left else None) for index, title in enumerate(head)]
    rows = [cells if isinstance(cells, Markup) else table_row(cells, left=left) for cells in body]
    above = element("caption", caption) if caption else None
    inner = element("table", above, element("thead", element("tr", titles)), element("tbody", rows), class_=class_)
    return element("div", inner, class_="scroll", tabindex=0)


def table_row(cells: Sequence[Content], *, left: int = 1, class_: str | None = None) -> Markup:
    first, *others = cells
    rest = [element("td", cell, class_="number" if index >= left else None) for index, cell in enumerate(others, start=1)]
    return element("tr", element("th", first, scope="row"), rest, class_=class_)


def group_row(title: Content, columns: int) -> Markup:
    """A row that heads those below it."""
    return element("tr", element("th", element("span", title), colspan=columns, scope="rowgroup", class_="group"))
