"""From the text of one setting to its value.

Text is taken literally: a path, a column name or a delimiter may hold any character. Numbers, lists of numbers and nested values follow Hydra's
grammar. The annotation of a setting alone determines which types it takes.
"""

from __future__ import annotations

import math
import numbers
import os
import re
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Union, get_args, get_origin

_QUOTED = re.compile(r"""(['"])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
_OPEN, _CLOSE = "[{", "]}"
# Maximum length of a file's name, in bytes.
LONGEST_NAME = 255
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
# The types that a setting takes, in words; of lists and mappings all others follow.
_TAKES: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    list[str]: "a list of names, [a,b]",
    list[int]: "a list of whole numbers, [1,2]",
    list: "a list of numbers, [0.1,0.2]",
    dict[str, str]: "a mapping of names to names, {a:b}",
    dict[str, int]: "a mapping of names to whole numbers, {a:2,b:3}",
    dict[str, float]: "a mapping of names to numbers, {a:0.5,b:0.5}",
    dict[str, Any]: "a mapping of names to values, {a:1}",
    dict: "a mapping of names to lists, {a:[1,2]}",
}


class Unfit(ValueError):
    """A value of a type that its setting does not take."""


def read_value(text: str, hint: Any, path: bool = False) -> Any:
    """The value of a text for a setting of this annotation; in a ``path`` ``~`` at the front is the home folder. Raises Unfit if it has none."""
    text = text.strip() if unquoted(text.strip()) is not None else text
    options = _options(hint)
    if text == "null" and type(None) in options:
        return None
    kinds = [option for option in options if option is not type(None)]
    if kinds == [str]:
        if text == "null":
            raise Unfit
        return _text(text, path)
    bare = text.strip()
    for kind in kinds:
        if get_origin(kind) is list and get_args(kind) == (str,) and _enclosed(bare, "[]"):
            return [_text(part, path) for part in split(bare[1:-1])]
        if get_origin(kind) is dict and get_args(kind)[1] in (str, float) and _enclosed(bare, "{}"):
            return {key: read_value(value, get_args(kind)[1]) for key, value in map(_pair, split(bare[1:-1]))}
    if kinds == [list[str]]:
        if len(split(bare)) > 1 or bare[:1] in ("{", "["):
            raise Unfit
        return [_text(text, path)]
    try:
        return conform(_hydra_value(text), hint)
    except Unfit:
        if list[str] in kinds and bare[:1] not in ("", "[", "{") and len(split(bare)) == 1:
            return [_text(text, path)]
        raise


def conform(value: Any, hint: Any) -> Any:
    """The same value, converted to the type that a setting takes. Raises Unfit if that is not possible."""
    for option in _options(hint):
        with suppress(Unfit):
            return _conform(value, option)
    raise Unfit


def takes(hint: Any) -> str:
    """The types that a setting takes, in words."""
    return " or ".join(_TAKES.get(option) or _TAKES.get(get_origin(option), "any value") for option in _options(hint))


def split(text: str, separator: str = ",") -> list[str]:
    """The parts of a list; separators in quotes and in nested lists and mappings do not count."""
    parts, depth, start, at = [], 0, 0, 0
    before = separator
    while at < len(text):
        letter = text[at]
        # Quotes and brackets count only where a part begins; elsewhere they belong to a name.
        begins = before in (separator, *",:" + _OPEN)
        found = _QUOTED.match(text, at) if begins else None
        if found and text[found.end() :].lstrip()[:1] in ("", separator, *",:" + _CLOSE):
            at, before = found.end(), "'"
            continue
        if letter in _OPEN and begins:
            depth += 1
        elif letter in _CLOSE and depth:
            depth -= 1
        elif letter == separator and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
        before = before if letter.isspace() else letter
        at += 1
    last = text[start:].strip()
    return [*parts, last] if parts or last else []


def quoted(text: str) -> str:
    """The text in quotes, so that it is one part of a list and taken literally."""
    inner = re.sub(r"(\\*)'", lambda found: 2 * found[1] + "\\'", text)
    trailing = len(inner) - len(inner.rstrip("\\"))
    return f"'{inner}{trailing * chr(92)}'"


def unquoted(text: str) -> str | None:
    """The text between quotes; None if the text is not entirely in quotes."""
    found = _QUOTED.fullmatch(text)
    if found is None:
        return None
    inner = re.sub(rf"(\\+){found[1]}", lambda run: (len(run[1]) // 2) * "\\" + found[1], found[2])
    trailing = len(inner) - len(inner.rstrip("\\"))
    return inner[: len(inner) - trailing // 2] if trailing else inner


def _text(text: str, path: bool) -> str:
    plain = unquoted(text)
    plain = text if plain is None else plain
    if not plain or "\0" in plain:
        raise Unfit
    if path and any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(plain).parts):
        raise Unfit
    if path and plain.startswith("~"):
        with suppress(RuntimeError):
            # With a user whom this machine does not know it stays a plain name.
            return str(Path(plain).expanduser())
    return plain


def _pair(text: str) -> tuple[str, str]:
    key, *values = split(text, ":")
    if len(values) != 1:
        raise Unfit
    name = unquoted(key)
    return key if name is None else name, values[0]


def _enclosed(text: str, brackets: str) -> bool:
    return len(text) > 1 and text[0] == brackets[0] and text[-1] == brackets[1]


def _hydra_value(text: str) -> Any:
    # Takes a third of a second to import, which most commands and their help don't need.
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(f"value={text}")
    except (HydraException, RecursionError, ValueError):
        raise Unfit from None
    if parsed.is_sweep_override():
        raise Unfit
    return parsed.value()


def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _conform(value: Any, kind: Any) -> Any:
    if kind is Any:
        return value
    if kind is type(None):
        if value is None:
            return None
    elif get_origin(kind) is list:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [conform(each, get_args(kind)[0]) for each in value]
        # A single name is a list of one.
        if isinstance(value, str) and value and get_args(kind) == (str,):
            return [value]
    elif get_origin(kind) is dict:
        if isinstance(value, Mapping):
            return {str(key): conform(each, get_args(kind)[1]) for key, each in value.items()}
    elif kind is str:
        if isinstance(value, (str, Path)) and str(value):
            return str(value)
    elif kind is bool:
        word = str(value).lower() if isinstance(value, (str, int)) else ""
        if word in (*_TRUE, *_FALSE):
            return word in _TRUE
    elif kind in (int, float):
        return _number(value, kind)
    raise Unfit


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    if isinstance(value, bool):
        raise Unfit
    try:
        value = kind(value) if isinstance(value, str) else value
        plain = float(value) if isinstance(value, numbers.Real) else math.nan
    except (ValueError, OverflowError):
        raise Unfit from None
    if not math.isfinite(plain) or (kind is int and not plain.is_integer()):
        raise Unfit
    return int(value) if kind is int and isinstance(value, (int, numbers.Integral)) else kind(plain)
