"""From ``key=value`` words to typed settings; what is wrong with a word is said in one line."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from contextssl.config.experiments import EXPERIMENT, EXPERIMENT_OF, experiment_values, experiments
from contextssl.config.help import help_text
from contextssl.config.own_settings import own_fields, own_schemas, read_own
from contextssl.config.published_words import renamed, told_for, words_of
from contextssl.config.validation import checked, fields_of, hints_of, read_setting
from contextssl.config.values import conform, unquoted
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError, nearest

__all__ = ["checked", "experiments", "given_words", "help_text", "settings_from"]

Settings = TypeVar("Settings")


def given_words(command: str, schema: type[Any], words: Sequence[str], parts: Sequence[Any] = ()) -> dict[str, str]:
    """The text of each setting that the words give, by its name here; of two words with one name the later counts.

    Published words that mean nothing here are passed over with a warning that says why.

    Args:
        parts: plug-ins that the command chooses; others are chosen by the words themselves.

    Raises:
        SettingsError: for a word that is not ``key=value``, and an unknown key (naming the nearest).
    """
    given: dict[str, str] = {}
    published = words_of(command)
    own = own_fields(own_schemas(schema, dict(word.split("=", 1) for word in words if "=" in word), parts))
    for word in words:
        if word.startswith("+") or (word.startswith("~") and "/" not in word):
            raise SettingsError(f"{word!r}: give settings as key=value; they can be set, but not added or removed")
        if word.startswith("-"):
            raise SettingsError(f"{word!r} is no option of {command}: settings are written key=value, without dashes")
        key, equals, text = word.partition("=")
        if not equals:
            raise SettingsError(f"{word!r} is not a setting of {command}: write key=value")
        key = renamed(key, fields_of(schema))
        if known := published.get(key):
            if known.setting not in fields_of(schema):
                warnings.warn(told_for(key, text, known), UserWarning, stacklevel=2)
                continue
            key, text = str(known.setting), known.values.get(text, text)
        if key.startswith("hydra"):
            warnings.warn(f"{word} is accepted but means nothing here: Hydra launches what -m sweeps over", UserWarning, stacklevel=2)
            continue
        if key not in fields_of(schema) and key not in own and not (key == EXPERIMENT and command in EXPERIMENT_OF):
            known_names = [*fields_of(schema), *own, *([EXPERIMENT] if command in EXPERIMENT_OF else [])]
            raise SettingsError(
                f"unknown setting {key!r} of {command}: {nearest(key, known_names, 3)} (contextssl {command} --help lists all)"
            )
        given[key] = text
    return given


def settings_from(command: str, schema: type[Settings], words: Sequence[str]) -> Settings:
    """The settings that ``words`` describe: defaults, over them those of :func:`experiment_of`, over them what is given.

    Raises:
        SettingsError: for an unknown key, a value of the wrong type, out of its range, or not among its choices.
    """
    return settings_of(command, schema, given_words(command, schema, words))


def experiment_of(command: str, given: Mapping[str, str]) -> str | None:
    """The set of settings that stands in the place of the defaults: the one that the words name, the command's own, or that of the data set named."""
    if EXPERIMENT in given:
        text = given[EXPERIMENT]
        plain = unquoted(text)
        return None if text == "null" else text if plain is None else plain
    if command not in EXPERIMENT_OF:
        return None
    return EXPERIMENT_OF[command] or _usual(given.get("dataset", ""))


def _usual(text: str) -> str | None:
    """That of the data set that a text names; None of an unknown one, which is said when it is read."""
    name = unquoted(text) or text
    return DATA_SETS.find(name).usual if DATA_SETS.is_own(name) or name in DATA_SETS.names() else None


def settings_of(command: str, schema: type[Settings], given: Mapping[str, str], parts: Sequence[Any] = ()) -> Settings:
    """As :func:`settings_from`, of words that are read already.

    Args:
        parts: plug-ins that the command chooses.
    """
    experiment = experiment_of(command, given)
    hints = hints_of(schema)
    values: dict[str, Any] = {} if experiment is None else experiment_values(experiment)
    values = {name: conform(value, hints[name]) for name, value in values.items()}
    values |= {name: read_setting(schema, name, text) for name, text in given.items() if name in fields_of(schema)}
    if own := read_own(own_schemas(schema, given, parts), given):
        values["own"] = {**values.get("own", {}), **own}
    return checked(dataclasses.replace(schema(), **values))  # type: ignore[type-var]
