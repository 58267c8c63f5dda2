"""The words that the shell passes, before they are settings: blank words, and values without a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contextssl.config.experiments import EXPERIMENT
from contextssl.config.validation import fields_of
from contextssl.config.values import quoted
from contextssl.errors import SettingsError
from contextssl.system.console import warn

_KEY = re.compile(r"[A-Za-z_][\w.]*")
MULTIRUN = ("-m", "--multirun")


def without_blanks(words: Sequence[str]) -> list[str]:
    """The words without blank ones, which a backslash and a space at the end of a line make; for the same reason without spaces before a word."""
    kept = []
    blank = False
    for word in words:
        plain = word.strip().lstrip("\\").lstrip() if word[:1].isspace() else word.rstrip("\r\n")
        if not plain.strip(" \t\r\n\\"):
            blank = True
            continue
        blank |= word[:1].isspace()
        kept.append(plain)
    if blank:
        warn(
            "a blank word was ignored: a backslash continues a command on the next line only as the very last character of its line. With a space "
            "after it the command ends there, and the shell takes the following lines as commands of their own: remove that space and run it again"
        )
    return kept


def named(command: str, schema: type[Any], positional: Sequence[str], several: bool, words: Sequence[str]) -> list[str]:
    """Values without a name, with the names of their settings: ``data check DIR`` becomes ``data check data_dir=DIR``.

    The ``positional`` settings may be given without a name, in order; with ``several`` all such values are the one positional setting, a list.
    Raises SettingsError for more of them than the command takes.
    """
    bare: list[str] = []
    made: list[str] = []
    for word in words:
        if not positional or word in MULTIRUN or not _is_bare(schema, word):
            made.append(word)
        elif several:
            bare.append(word)
        elif len(bare) < len(positional):
            made.append(f"{positional[len(bare)]}={word}")
            bare.append(word)
        else:
            raise SettingsError(f"{word!r} is not a setting of {command}: write key=value")
    return [f"{positional[0]}=[{','.join(map(quoted, bare))}]", *made] if several and bare else made


def _is_bare(schema: type[Any], word: str) -> bool:
    if word[:1] in "-+" or (word[:1] == "~" and word[1:2] != "/") or word.startswith("hydra"):
        return False
    key, equals, _ = word.partition("=")
    if not equals or not _KEY.fullmatch(key):
        return True
    # A path with an equals sign, such as runs/lr=0.1, unless a setting has that name.
    return key not in (*fields_of(schema), EXPERIMENT) and Path(word).exists()
