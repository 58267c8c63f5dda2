"""What the documentation, the help and the messages tell one to type works where it is pasted into bash."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contextssl import advice
from contextssl.commands import COMMANDS
from contextssl.config.bare_words import named
from contextssl.config.overrides import settings_from
from contextssl.config.sweep import is_launcher
from contextssl.reproduce import EXPERIMENTS
from tests.example_package import installed_example

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "src/contextssl/config/experiment").glob("*.yaml"))]


def advised(page: Path) -> list[str]:
    """The commands that a page shows whole: in its blocks, and in its sentences."""
    text = page.read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"`(contextssl [^`\n]+)`", text) + re.findall(r"^# (contextssl .*)$", text, flags=re.MULTILINE)
    commands = [command for line in lines for command in line.split("; ") if command.startswith("contextssl ")]
    return [command for command in commands if "…" not in command and "COMMAND" not in command]


def pasted(line: str) -> list[str]:
    script = 'contextssl() { printf "%s\\0" "$@"; }\n' + line
    return subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.decode().split("\0")[:-1]


# The module that the pages call the user's own.
MINE = """
from dataclasses import dataclass, replace

from contextssl.config.setting import setting
from contextssl.head import Head
from contextssl_example import BARLOW, Solarize
from contextssl_example import gratings as data


@dataclass
class PullSettings:
    pull_weight: float = setting(1.0, "weight")


Pull = replace(BARLOW, settings=PullSettings)
MEAN = Head("mean", "the mean", fit=lambda data: data.test)
"""


@pytest.fixture
def own_code(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example package is installed, and ``mine`` is in the working directory."""
    (in_folder / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(in_folder))
    with installed_example(in_folder, monkeypatch):
        yield


@pytest.mark.usefixtures("own_code")
@pytest.mark.filterwarnings("ignore:.*means nothing here")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_is_settings_when_pasted(page: Path) -> None:
    for line in advised(page):
        words = pasted(line)
        name = next(
            name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS or name in ("evaluate", "data", "import", "--help")
        )
        if name not in COMMANDS or "--help" in words:
            continue
        command = COMMANDS[name]
        rest = named(name, command.schema, command.positional, command.several, words[len(name.split()) :])
        # Values of a sweep are read by the sweep.
        settings_from(name, command.schema, [word for word in rest if not is_launcher(word)] if "-m" not in rest else [])


def test_settings_that_the_documentation_shows_keep_their_braces() -> None:
    """bash takes {a,b} apart, where it stands in no quotes."""
    for page in PAGES[:-1]:
        for line in advised(page):
            assert not re.search(r"(?<!['\"])\b\w+=\{[^}]*,", line) or page.suffix == ".yaml", f"{page.name}: {line}"


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_the_command_that_an_experiment_shows_is_the_one_that_it_runs(name: str) -> None:
    shown = EXPERIMENTS[name].described(["label=Income (k$)"]).splitlines()[1]
    assert pasted(shown.removeprefix("command: ")) == ["compare", *EXPERIMENTS[name].words(["label=Income (k$)"])]


@pytest.mark.parametrize("text", ["runs/a", "runs/lr=0.1", "runs/a b", "café", "p (1)", "$HOME", "a;b", "{a,b}", "~x", "a'b", "[0,2]"])
def test_words_are_quoted_where_the_shell_would_change_them(text: str) -> None:
    assert shlex.split(advice.word(text)) == [text]
    assert pasted(f"contextssl {advice.word(text)}") == [text]
