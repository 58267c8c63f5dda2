"""Every code block of the documentation is run by a test, or stands here with the reason why not; its commands are then settings at least."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from contextssl.cli import _split
from contextssl.config.bare_words import named
from contextssl.config.overrides import settings_from
from contextssl.config.sweep import without_launcher

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
COMMANDS = "tests/test_readme.py::test_every_command_runs"
OF_A_MODEL = "tests/test_readme.py::test_the_python_of_the_readme_runs"
HOURS = "hours of training; the numbers beside it say when and where it ran"
# What runs the blocks of a page, by their language.
RUN = {
    ("README.md", "sh"): COMMANDS,
    ("README.md", "python"): OF_A_MODEL,
    ("docs/compare.md", "python"): "tests/test_readme.py::test_the_method_of_the_guide_on_comparing_is_one",
    ("docs/contexts.md", "sh"): COMMANDS,
    ("docs/contexts.md", "python"): OF_A_MODEL,
    ("docs/evaluation.md", "python"): "tests/test_readme.py::test_the_python_of_the_guide_on_evaluation_runs",
    ("docs/extending.md", "sh"): COMMANDS,
    ("docs/extending.md", "python"): "tests/test_readme.py::test_the_python_of_the_guide_on_extending_runs",
    ("docs/explorer.md", "sh"): "tests/explorer/test_command.py::test_the_guides_commands_are_commands",
    ("docs/frozen.md", "sh"): "tests/test_frozen_guide.py::test_every_command_of_the_guide_runs",
    ("docs/frozen.md", "python"): "tests/test_frozen_guide.py::test_every_command_of_the_guide_runs",
    ("docs/index.md", "sh"): "tests/test_demo.py::test_from_nothing_to_the_page_by_examples",
    ("docs/index.md", "python"): OF_A_MODEL,
    ("docs/pairs.md", "sh"): COMMANDS,
    ("docs/pairs.md", "python"): OF_A_MODEL,
    ("docs/photos.md", "sh"): "tests/test_photos.py::test_every_command_of_the_guide_runs",
    ("docs/photos.md", "python"): "tests/test_photos.py::test_every_command_of_the_guide_runs",
    ("docs/plugins.md", "sh"): COMMANDS,
    ("docs/plugins.md", "python"): COMMANDS,
    ("docs/rendering.md", "sh"): COMMANDS,
    ("docs/rendering.md", "python"): "tests/test_readme.py::test_the_python_of_the_guide_on_rendering_runs",
    ("docs/scaling.md", "sh"): COMMANDS,
    ("docs/tables.md", "sh"): "tests/test_tables.py::test_every_command_of_the_guide_runs",
    ("docs/tables.md", "python"): "tests/test_tables.py::test_every_command_of_the_guide_runs",
    ("docs/training.md", "sh"): COMMANDS,
    ("docs/using.md", "sh"): COMMANDS,
    ("docs/using.md", "python"): "tests/test_readme.py::test_the_python_of_the_guide_on_using_runs",
}
NOT_RUN = {
    ("docs/clusters.md", "bash"): "a queue, or several machines",
    ("docs/compare.md", "sh"): f"{HOURS}; tests/test_compare.py runs a small comparison, tests/evaluation/ the evaluations",
    (
        "docs/evaluation.md",
        "sh",
    ): "a published checkpoint, and runs that have other names; tests/evaluation/test_evaluate.py runs every protocol",
    ("docs/experiments.md", "sh"): HOURS,
    ("docs/pairs.md", "csv"): "a file and no code",
    ("docs/reliability.md", "sh"): f"{HOURS}; tests/faults/test_sample.py runs a sample",
    ("docs/report.md", "sh"): "runs that have other names; tests/report/test_command.py runs the command",
    ("docs/results.md", "sh"): HOURS,
}


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Language and text of each block of code; a drawing has no language."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def test_every_block_is_run_or_has_a_reason_not_to_be() -> None:
    there = {(page, language) for page in PAGES for language, _ in blocks(page) if language}
    assert not RUN.keys() & NOT_RUN.keys()
    assert there == RUN.keys() | NOT_RUN.keys()


@pytest.mark.parametrize("page", PAGES)
def test_code_stands_in_blocks_that_say_its_language(page: str) -> None:
    text = re.sub(r"^```\w+\n.*?^```$", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"^ *(?:contextssl [a-z]+ [^→]*|import \w+|from \w+ import .*)$", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("block", "test"), RUN.items(), ids=lambda value: "-".join(value) if isinstance(value, tuple) else None)
def test_what_is_said_to_run_a_block_is_there(block: tuple[str, str], test: str) -> None:
    file, _, name = test.partition("::")
    text = (ROOT / file).read_text()
    assert name in {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    assert block[0] in text or block[0] == "docs/index.md", "it names the page; of the front page it is the demo"


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a block without what starts them on several devices."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        for program in ("contextssl", "python"):
            if program in words[:12]:
                yield words[words.index(program) :]
                break


@pytest.mark.filterwarnings("ignore:.*means nothing here")
@pytest.mark.parametrize("page", sorted({page for page, _ in NOT_RUN}))
def test_a_command_that_is_not_run_is_settings(page: str) -> None:
    for language, text in blocks(page):
        if (page, language) not in NOT_RUN or language == "csv":
            continue
        for program, *words in commands(text):
            if program == "python":
                ast.parse((ROOT / words[0]).read_text())
                continue
            name, command, given = _split([word for word in words if word != "-m"])
            rest = named(name, command.schema, command.positional, command.several, without_launcher(given))
            # One of the values of a sweep.
            one = [re.sub(r"^(\w+=\w+),[\w,]+$", r"\1", word) for word in rest] if "-m" in words else rest
            settings_from(name, command.schema, one)
