"""From files of a repository to the pages of a site."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from contextssl.commands import COMMANDS
from website import pages
from website.settings_page import settings_page

PAGE = """# Guide

[other](other.md#part), [front](../README.md), [changes](../CHANGELOG.md), [code](../src/code.py), [folder](../src), [book](book.ipynb#a),
[there](https://example.org/x.md), [here](#guide), ![picture](picture.png)

```md
[kept](../src/code.py)
```
"""
SHOWN = """# Guide

[other](other.md#part), [front](index.md), [changes](CHANGELOG.md), [code](files/src/code.py.md), [folder](files/src.md), [book](book.md#a),
[there](https://example.org/x.md), [here](#guide), ![picture](picture.png)

```md
[kept](../src/code.py)
```
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "docs/guide.md": PAGE,
        "docs/other.md": "# Other\n\n## Part\n",
        "docs/picture.png": "",
        "README.md": "",
        "CHANGELOG.md": "[a guide](docs/guide.md#guide)\n",
        "CONTRIBUTING.md": "",
        "src/__init__.py": "",
        "src/code.py": "x = '```'\n",
        "website/iframe-worker.js": "",
        "website/wrapped.css": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    cells = [{"cell_type": "markdown", "source": ["# Book\n", "[o](other.md)"]}, {"cell_type": "code", "source": "x = 1"}]
    (tmp_path / "docs/book.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def test_links_lead_to_pages(root: Path) -> None:
    made = pages.site_pages(root)
    assert made["guide.md"] == SHOWN
    assert made["CHANGELOG.md"] == "[a guide](guide.md#guide)\n"
    assert made["picture.png"] == b"" and made["book.ipynb"] == (root / "docs/book.ipynb").read_bytes()
    assert made["book.md"] == "# Book\n[o](other.md)\n\n```python\nx = 1\n```\n"
    assert made["files/src/code.py.md"] == "# src/code.py\n\n````python\nx = '```'\n````\n"
    assert made["files/src.md"] == "# src\n\n## code.py\n\n````python\nx = '```'\n````\n"
    assert {"reference/models.md", "reference/settings.md", "assets/own/wrapped.css"} <= made.keys()


def test_a_link_to_nowhere_names_its_page(root: Path) -> None:
    (root / "docs/other.md").write_text("[x](../src/gone.py)")
    with pytest.raises(FileNotFoundError, match=r"docs/other.md links to ../src/gone.py, which is not there"):
        pages.site_pages(root)


def test_what_is_no_page_any_more_is_taken_away(tmp_path: Path) -> None:
    pages.write_pages(tmp_path, {"a.md": "a", "b/c.md": "c"})
    kept = (tmp_path / "a.md").stat().st_mtime_ns
    pages.write_pages(tmp_path, {"a.md": "a", "d.png": b"\0"})
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"a.md", "d.png"}
    assert (tmp_path / "a.md").stat().st_mtime_ns == kept, "what is the same is not built again"


def test_every_setting_of_every_command_is_on_the_page() -> None:
    page = settings_page()
    sections = {part.split("\n")[0]: part for part in page.split("\n## ")[1:]}
    for name, command in COMMANDS.items():
        section = sections["contextssl evaluate" if name.startswith("evaluate ") else f"contextssl {name}"]
        assert f"contextssl {name}" in section
        if "(#contextssl-train)" in section:
            section += sections["contextssl train"]
        for field in dataclasses.fields(command.schema):
            assert section.count(f"| `{field.name}` |") == 1, field.name
    assert "`shapes_examples`" in sections["contextssl train"] and "`experiment=NAME`" not in sections["contextssl report"]
    assert "| `resize` | `bilinear` |" in page and "(fast); bilinear, fast" not in page, (
        "choices that the meaning names are not named twice"
    )
    assert "| `seed` | `0` |" in page and "| `resume` |  |" in page and "| `random_mask` | `true` |" in page


def test_no_meaning_breaks_its_table() -> None:
    for line in settings_page().splitlines():
        if line.startswith("| `"):
            columns = line.replace("\\|", "").count("|") - 1
            assert columns == (2 if line.startswith("| `contextssl ") else 3), line
