"""The pages of the site, from files of the repository: links between pages stay, and a link to any other file or folder leads to a page that
shows it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from website.rooms import ROOMS
from website.settings_page import settings_page

ROOT = Path(__file__).parents[1]
# Pages that lie beside docs/, under the names that they have in the site.
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md")
# Files of ours that the pages load.
OWN = ("iframe-worker.js", "wrapped.css")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".cff": "yaml"}
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def site_pages(root: Path = ROOT) -> dict[str, str | bytes]:
    """Every file that the site is built from, by its path there: pages as text, pictures as they are.

    Raises FileNotFoundError for a link to a file that is not there, naming the page.
    """
    made: dict[str, str | bytes] = {f"reference/{room.name}.md": room.markdown for room in ROOMS}
    made["reference/settings.md"] = settings_page()
    made |= {f"assets/own/{name}": (root / "website" / name).read_bytes() for name in OWN}
    shown: dict[str, str] = {}
    for source in (*sorted((root / "docs").iterdir()), *(root / name for name in BESIDE)):
        if source.suffix == ".ipynb":
            made[source.name] = source.read_bytes()
            shown[f"{source.stem}.md"] = _with_links(notebook_page(source), source, root, made)
        elif source.suffix == ".md":
            shown[source.name] = _with_links(source.read_text(), source, root, made)
        elif source.is_file():
            made[source.name] = source.read_bytes()
    return {**made, **shown}


def _with_links(text: str, source: Path, root: Path, made: dict[str, str | bytes]) -> str:
    """A page of the site, its links relative to where it lies there. Pages that show what it links to are added to those that are ``made``."""

    def link(match: re.Match[str]) -> str:
        target, section = match.group(1), match.group(2) or ""
        if "://" in target or target.startswith("mailto:"):
            return match.group(0)
        there = Path(os.path.normpath(source.parent / target))
        if not there.exists():
            raise FileNotFoundError(f"{source.relative_to(root)} links to {target}, which is not there")
        return f"]({_place(there, root, made)}{section})"

    return "".join(
        part if index % 2 else LINK.sub(link, part) for index, part in enumerate(re.split(r"(^```.*?^```$)", text, flags=re.S | re.M))
    )


def _place(there: Path, root: Path, made: dict[str, str | bytes]) -> str:
    """Where the site has a file or folder of the repository."""
    name = there.relative_to(root).as_posix()
    if name == "README.md":
        return "index.md"
    if there.suffix == ".ipynb":
        return f"{there.stem}.md"
    if name in BESIDE or there.parent == root / "docs":
        return there.name
    page = f"files/{name}.md"
    if page not in made:
        made[page] = file_page(there, root)
    return page


def file_page(there: Path, root: Path = ROOT) -> str:
    """A page that shows a file, or the Python files of a folder, in full."""
    name = there.relative_to(root).as_posix()
    files = [there] if there.is_file() else [file for file in sorted(there.glob("*.py")) if file.name != "__init__.py"]
    blocks = [f"````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text().rstrip()}\n````\n" for file in files]
    if there.is_file():
        return f"# {name}\n\n{blocks[0]}"
    return f"# {name}\n\n" + "\n".join(f"## {file.name}\n\n{block}" for file, block in zip(files, blocks, strict=True))


def notebook_page(path: Path) -> str:
    """A notebook without outputs as a page: its texts, and its code as blocks."""
    cells = json.loads(path.read_text())["cells"]
    return "\n".join(_cell(cell) for cell in cells)


def _cell(cell: Mapping[str, object]) -> str:
    source = cell["source"]
    text = "".join(source) if isinstance(source, list) else str(source)
    return f"```python\n{text}\n```\n" if cell["cell_type"] == "code" else f"{text}\n"


def write_pages(folder: Path, pages: Mapping[str, str | bytes]) -> None:
    """Writes what differs, and takes away what is no page any more."""
    for name, content in pages.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        written = content.encode() if isinstance(content, str) else content
        if not place.is_file() or place.read_bytes() != written:
            place.write_bytes(written)
    for left in _files(folder):
        if left not in pages:
            (folder / left).unlink()


def _files(folder: Path) -> Iterator[str]:
    yield from (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
