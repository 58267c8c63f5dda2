"""Reading a page back: its text, tables, links and pictures."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = ("img", "meta", "br", "hr", "link", "input")


class Page(HTMLParser):
    """The page's text, every attribute that could load something, rows of tables, and whether its tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.loads: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self._cell: list[str] | None = None
        self.doctype = ""
        self.feed(html)
        self.close()
        assert html.startswith("<!doctype html>") and self.doctype == "doctype html", "without it browsers lay a page out as of old"
        assert self._open == [], self._open

    def handle_decl(self, decl: str) -> None:
        self.doctype = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
                self.loads.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = []
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, (tag, self._open[-3:])
        self._open.pop()
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.text += data
        if self._cell is not None:
            self._cell.append(data)

    def row(self, first: str, *more: str) -> list[str]:
        """The first row of a table that starts with these cells."""
        wanted = [first, *more]
        return next(row for row in self.rows if row[: len(wanted)] == wanted)
