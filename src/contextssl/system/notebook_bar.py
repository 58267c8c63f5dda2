"""A bar in a notebook: one output of the cell, written over."""

from __future__ import annotations

import html


class NotebookBar:
    """Shows itself under the cell that runs."""

    def __init__(self, total: int) -> None:
        from IPython.display import HTML, display

        self.total, self.html = total, HTML
        self.place = display(HTML(""), display_id=True)

    def show(self, title: str, done: int, words: str) -> None:
        share = f'<progress max="{max(self.total, 1)}" value="{done}"></progress> {done / max(self.total, 1):.0%}'
        self.place.update(self.html(f"<div>{html.escape(title)} {share} {html.escape(words)}</div>"))
