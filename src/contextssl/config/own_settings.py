"""Settings that a plug-in declares for itself: given by their names as all others, and kept in one mapping, so that files hold plain values.

A part (a method, a data set, a protocol) has ``settings``, a dataclass of :func:`~contextssl.config.setting.setting` fields, or None.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from contextssl.config.settings import MethodSettings
from contextssl.config.validation import checked, fields_of, read_setting
from contextssl.config.values import Unfit, read_value, split
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError, nearest
from contextssl.method import COMPARED, METHODS
from contextssl.plugins import Kind

Own = TypeVar("Own")

# Code of the user's own by its place; of a comparison's method with its condition.
_PLACE = re.compile(r"[\w.]+:[\w.+:-]+")
# Of Hydra's ways to sweep the one that names things.
_SWEPT = re.compile(r"choice\((.*)\)", re.DOTALL)
# The settings that name parts, one or several, and of which kind.
CHOOSERS: Mapping[str, Kind[Any]] = {"method": METHODS, "methods": COMPARED, "dataset": DATA_SETS}


def own_schemas(schema: type[Any], given: Mapping[str, str], parts: Sequence[Any] = ()) -> tuple[type[Any], ...]:
    """The settings that the parts declare which these words choose; each stands once.

    Args:
        schema: of the command.
        given: the text of each setting that is given.
        parts: those that the command chooses.

    Raises:
        SettingsError: for a part that cannot be found, and for one that declares a setting of a name that is taken.
    """
    if "own" not in fields_of(schema):
        return ()
    chosen = [(name, kind) for word, kind in CHOOSERS.items() for name in (_names(given[word]) if word in given else ())]
    # An evaluation names a method for its code; its settings are those of the run.
    chosen = [(name, kind) for name, kind in chosen if kind is not METHODS or issubclass(schema, MethodSettings)]
    # What is built in declares its settings with the command's. What is unknown is said where the setting is read.
    found = [kind.find(name) for name, kind in chosen if name not in kind.built_in and (_PLACE.fullmatch(name) or name in kind.names())]
    return without_clashes(schema, [*parts, *found])


def without_clashes(schema: type[Any], parts: Sequence[Any]) -> tuple[type[Any], ...]:
    """What these parts declare, each once.

    Raises:
        SettingsError: for a setting of a name that is taken.
    """
    found = {part.settings: part.name for part in reversed(parts) if part.settings is not None}
    taken = dict.fromkeys(fields_of(schema), "contextssl")
    for own, part in reversed(found.items()):
        for name in fields_of(own):
            if name in taken:
                raise SettingsError(f"{part} declares the setting {name!r}, which {taken[name]} has too: rename it")
            taken[name] = part
    return tuple(reversed(found))


def read_own(schemas: Sequence[type[Any]], given: Mapping[str, str]) -> dict[str, Any]:
    """The values of those words that are settings of these schemas.

    Raises:
        SettingsError: for one that is of the wrong type, out of its range, or not among its choices.
    """
    values: dict[str, Any] = {}
    for schema in schemas:
        read = {name: read_setting(schema, name, given[name]) for name in fields_of(schema) if name in given}
        checked(schema(**read))
        values |= read
    return values


def own_of(settings: Any, schema: type[Own]) -> Own:
    """A part's own settings, as the command's settings hold them.

    Raises:
        SettingsError: for one that is of the wrong type, out of its range, or not among its choices.
    """
    return checked(schema(**{name: settings.own[name] for name in fields_of(schema) if name in settings.own}))


def declared_by(settings: Any) -> list[type[Any]]:
    """What the parts declare that these settings name."""
    parts = [kind.find(getattr(settings, word)) for word, kind in CHOOSERS.items() if isinstance(getattr(settings, word, None), str)]
    return [part.settings for part in parts if part.settings is not None]


def check_own(settings: Any, schemas: Sequence[type[Any]]) -> None:
    """
    Args:
        schemas: of all parts that are used.

    Raises:
        SettingsError: for a value in ``settings.own`` that none of them declares.
    """
    known = [name for schema in schemas for name in fields_of(schema)]
    if strange := [name for name in settings.own if name not in known]:
        mend = nearest(strange[0], known) if known else "leave it out"
        raise SettingsError(f"own holds {strange[0]!r}, which no plug-in that is used declares: {mend}")


def _names(text: str) -> list[str]:
    """The names that the text of a setting holds, of one name, of a list, or of several that are swept over."""
    swept = _SWEPT.fullmatch(text.strip())
    try:
        read = [read_value(part, list[str] | None) for part in split(swept[1] if swept else text)]
    except Unfit:
        return []
    return [name for names in read for name in names or ()]


def own_fields(schemas: Sequence[type[Any]]) -> dict[str, dataclasses.Field[Any]]:
    """Every field of these, by name."""
    return {name: field for schema in schemas for name, field in fields_of(schema).items()}
