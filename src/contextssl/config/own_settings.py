"""Settings that a plug-in declares: given by their names as all others, and kept in one mapping, so that files hold plain values.

A part (a method, a data set, a protocol) has ``settings``, a dataclass of :func:`~contextssl.config.setting.setting` fields, or None.
"""

from __future__ import annotations

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

# The user's own code as package.module:Name; a method of a comparison may have a condition after it.
_PLACE = re.compile(r"[\w.]+:[\w.+:-]+")
# Hydra's sweep syntax for names.
_SWEPT = re.compile(r"choice\((.*)\)", re.DOTALL)
# The settings that name parts, one or several, and the kind of those.
CHOOSERS: Mapping[str, Kind[Any]] = {"method": METHODS, "methods": COMPARED, "dataset": DATA_SETS}


def own_schemas(schema: type[Any], given: Mapping[str, str], parts: Sequence[Any] = ()) -> tuple[type[Any], ...]:
    """The settings, each schema once, that these parts declare and those that the texts of the given settings of the command ``schema`` choose.
    Raises SettingsError for a part that cannot be found, and for a declared setting whose name is taken.
    """
    if "own" not in fields_of(schema):
        return ()
    chosen = [(name, kind) for word, kind in CHOOSERS.items() for name in (_names(given[word]) if word in given else ())]
    # An evaluation names a method to find its code; the method's settings are those of the run.
    chosen = [(name, kind) for name, kind in chosen if kind is not METHODS or issubclass(schema, MethodSettings)]
    # Settings of built-in parts are those of the command. An unknown name is an error where the setting is read.
    found = [kind.find(name) for name, kind in chosen if name not in kind.built_in and (_PLACE.fullmatch(name) or name in kind.names())]
    return without_clashes(schema, [*parts, *found])


def without_clashes(schema: type[Any], parts: Sequence[Any]) -> tuple[type[Any], ...]:
    """The settings that these parts declare, each schema once. Raises SettingsError for a setting whose name is taken."""
    found = {part.settings: part.name for part in reversed(parts) if part.settings is not None}
    taken = dict.fromkeys(fields_of(schema), "contextssl")
    for own, part in reversed(found.items()):
        for name in fields_of(own):
            if name in taken:
                raise SettingsError(f"{part} declares the setting {name!r}, which {taken[name]} has too: rename it")
            taken[name] = part
    return tuple(reversed(found))


def read_own(schemas: Sequence[type[Any]], given: Mapping[str, str]) -> dict[str, Any]:
    """The values of the given settings that belong to these schemas.
    Raises SettingsError for one that is of the wrong type, out of its range, or not among its choices.
    """
    values: dict[str, Any] = {}
    for schema in schemas:
        read = {name: read_setting(schema, name, given[name]) for name in fields_of(schema) if name in given}
        checked(schema(**read))
        values |= read
    return values


def own_of(settings: Any, schema: type[Own]) -> Own:
    """A part's own settings, from those of the command.
    Raises SettingsError for one that is of the wrong type, out of its range, or not among its choices.
    """
    return checked(schema(**{name: settings.own[name] for name in fields_of(schema) if name in settings.own}))


def declared_by(settings: Any) -> list[type[Any]]:
    """The settings that the parts declare which these settings name."""
    parts = [kind.find(getattr(settings, word)) for word, kind in CHOOSERS.items() if isinstance(getattr(settings, word, None), str)]
    return [part.settings for part in parts if part.settings is not None]


def check_own(settings: Any, schemas: Sequence[type[Any]]) -> None:
    """Raises SettingsError for a value in ``settings.own`` that none of the schemas, those of all parts that are used, declares."""
    known = [name for schema in schemas for name in fields_of(schema)]
    if strange := [name for name in settings.own if name not in known]:
        fix = nearest(strange[0], known) if known else "leave it out"
        raise SettingsError(f"own holds {strange[0]!r}, which no plug-in that is used declares: {fix}")


def _names(text: str) -> list[str]:
    """The names in the text of a setting: a single one, a list, or several to sweep over."""
    swept = _SWEPT.fullmatch(text.strip())
    try:
        read = [read_value(part, list[str] | None) for part in split(swept[1] if swept else text)]
    except Unfit:
        return []
    return [name for names in read for name in names or ()]
