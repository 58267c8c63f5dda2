"""Words and commands quoted for the shell, so that a command in a message or on a page works when it is pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from contextssl.config.values import quoted, split

# Characters that bash leaves unchanged; braces it expands.
_PLAIN = re.compile(r"[\w@%+=:,./\[\]-]+")


def word(text: object) -> str:
    """One word, in quotes if the shell would change or split it."""
    return str(text) if _PLAIN.fullmatch(str(text)) else shlex.quote(str(text))


def command(words: Iterable[object]) -> str:
    """A whole command."""
    return " ".join(map(word, words))


def named(setting: str, names: Iterable[str]) -> str:
    """A setting with names, such as ``drop_columns=[age]``."""
    return word(f"{setting}=[{','.join(name if split(name) == [name] and name[:1] not in '[{' else quoted(name) for name in names)}]")
