"""From ``key=value`` words to typed settings; an error in a word is one line."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from contextssl.config.experiments import DEMO_OF, EXPERIMENT, EXPERIMENT_OF, experiment_values, experiments
from contextssl.config.help import help_text
from contextssl.config.own_settings import own_schemas, read_own
from contextssl.config.published_words import no_meaning, renamed, words_of
from contextssl.config.validation import checked, fields_of, hints_of, read_setting
from contextssl.config.values import conform, unquoted
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError, nearest

__all__ = ["checked", "experiments", "given_words", "help_text", "settings_from"]

Settings = TypeVar("Settings")


def given_words(command: str, schema: type[Any], words: Sequence[str], parts: Sequence[Any] = ()) -> dict[str, str]:
    """The text of each setting in the words, by its present name; of two words with the same name the later counts.

    Published words without a meaning here are ignored with a warning that says why. ``parts`` are plug-ins that the command chooses; others are
    chosen by the words. Raises SettingsError for a word that is not ``key=value``, and for an unknown key, with the nearest known one.
    """
    given: dict[str, str] = {}
    published = words_of(command)
    declared = own_schemas(schema, dict(word.split("=", 1) for word in words if "=" in word), parts)
    known_names = [*fields_of(schema), *(name for each in declared for name in fields_of(each))]
    known_names += [EXPERIMENT] if command in EXPERIMENT_OF else []
    for word in words:
        if word.startswith("+") or (word.startswith("~") and "/" not in word):
            raise SettingsError(f"{word!r}: give settings as key=value; they can be set, but not added or removed")
        if word.startswith("-"):
            raise SettingsError(f"{word!r} is not an option of {command}: settings are written key=value, without dashes")
        key, equals, text = word.partition("=")
        if not equals:
            raise SettingsError(f"{word!r} is not a setting of {command}: write key=value")
        key = renamed(key, fields_of(schema))
        if known := published.get(key):
            if known.setting not in fields_of(schema):
                warnings.warn(no_meaning(key, text, known), UserWarning, stacklevel=2)
                continue
            key, text = str(known.setting), known.values.get(text, text)
        if key.startswith("hydra"):
            warnings.warn(f"{word} is accepted but means nothing here: Hydra launches what -m sweeps over", UserWarning, stacklevel=2)
            continue
        if key not in known_names:
            raise SettingsError(
                f"unknown setting {key!r} of {command}: {nearest(key, known_names, 3)} (contextssl {command} --help lists all)"
            )
        given[key] = text
    return given


def settings_from(command: str, schema: type[Settings], words: Sequence[str]) -> Settings:
    """The settings that ``words`` describe: defaults, overridden by those of :func:`experiment_of`, overridden by the words.
    Raises SettingsError for an unknown key, a value of the wrong type, out of its range, or not among its choices.
    """
    return settings_of(command, schema, given_words(command, schema, words))


def experiment_of(command: str, given: Mapping[str, str]) -> str | None:
    """The experiment whose settings replace the defaults: the one given, the command's, or that of the chosen data set."""
    named = {name: unquoted(text) or text for name, text in given.items()}
    if EXPERIMENT in given:
        return None if given[EXPERIMENT] == "null" else named[EXPERIMENT]
    if command not in EXPERIMENT_OF:
        return None
    if command == "demo" and (other := DEMO_OF.get(named.get("context", ""))):
        return other
    data_set = named.get("dataset", "")
    # An unknown one is an error when the setting is read.
    if EXPERIMENT_OF[command] or not (DATA_SETS.is_own(data_set) or data_set in DATA_SETS.names()):
        return EXPERIMENT_OF[command]
    chosen = DATA_SETS.find(data_set)
    return chosen.usual_examples or chosen.usual if named.get("context") == "examples" else chosen.usual


def settings_of(command: str, schema: type[Settings], given: Mapping[str, str], parts: Sequence[Any] = ()) -> Settings:
    """As :func:`settings_from`, from the words as :func:`given_words` returns them; ``parts`` are plug-ins that the command chooses."""
    experiment = experiment_of(command, given)
    hints = hints_of(schema)
    values: dict[str, Any] = {} if experiment is None else experiment_values(experiment)
    values = {name: conform(value, hints[name]) for name, value in values.items()}
    values |= {name: read_setting(schema, name, text) for name, text in given.items() if name in fields_of(schema)}
    if own := read_own(own_schemas(schema, given, parts), given):
        values["own"] = {**values.get("own", {}), **own}
    return checked(dataclasses.replace(schema(), **values))  # type: ignore[type-var]
