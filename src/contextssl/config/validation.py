"""Checks of a setting's type, range and choices, before anything is computed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_type_hints

from contextssl.config.published_words import renamed
from contextssl.config.setting import MOST_SEED, Range
from contextssl.config.values import LONGEST_NAME, Unfit, conform, read_value, takes
from contextssl.errors import SettingsError, nearest

Settings = TypeVar("Settings")
# Characters of a value that a message shows.
SHOWN = 80


# The annotation, and the field, of each setting of a class of settings.
hints_of: Callable[[Any], Mapping[str, Any]] = cache(get_type_hints)
fields_of: Callable[[Any], Mapping[str, dataclasses.Field[Any]]] = cache(
    lambda schema: {each.name: each for each in dataclasses.fields(schema)}
)


def read_setting(schema: type[Any], name: str, text: str) -> Any:
    """Raises SettingsError for a text that is not of the setting's type."""
    hint = hints_of(schema)[name]
    try:
        return read_value(text, hint, fields_of(schema)[name].metadata["path"])
    except Unfit:
        raise SettingsError(f"{name} is {_shown(text)}: it takes {_taken(schema, name)}{_advice(schema, name, text)}") from None


def checked(settings: Settings) -> Settings:
    """The same settings, if each is of its type, in its range and among its choices.
    Raises SettingsError with the setting, its value and what it may be.
    """
    schema = type(settings)
    for name, field in fields_of(schema).items():
        value = getattr(settings, name)
        try:
            value = conform(value, hints_of(schema)[name])
        except Unfit:
            raise SettingsError(f"{name} is {_shown(value)}: it takes {_taken(schema, name)}") from None
        check_value(name, value, field)
    if not _are_devices(getattr(settings, "devices", "auto")):
        raise SettingsError(f"devices is {_shown(settings.devices)}: it takes auto, how many (1 or more, -1 for all), or which, [0,1]")  # type: ignore[attr-defined]
    if getattr(settings, "vary", None) is not None:
        _check_vary(settings)
    return settings


def check_value(name: str, value: Any, field: dataclasses.Field[Any]) -> None:
    """Raises SettingsError for a value out of its range or not among its choices, or an unknown name."""
    if (kind := field.metadata.get("names")) and isinstance(value, str):
        kind.find(value)
    elif kind and value is not None:
        for each in value:
            try:
                kind.find(each)
            except SettingsError as error:
                raise SettingsError(f"{name}: {error}") from None
    choices = field.metadata.get("choices")
    if choices and value is not None and value not in choices:
        raise SettingsError(f"unknown {name} {value!r}: {nearest(str(value), choices)} (choices: {', '.join(choices)})")
    allowed: Range = field.metadata["range"]
    for number in _numbers(value):
        if number not in allowed:
            holds = "holds" if isinstance(value, (list, tuple, dict)) else "is"
            shown = str(number) if isinstance(number, int) else f"{number:g}"
            # Only a seed beyond the upper limit has that limit in its message.
            beyond = f" and at most {MOST_SEED}" if allowed.most == MOST_SEED and number > MOST_SEED else ""
            raise SettingsError(f"{name} {holds} {shown}: it must be {allowed}{beyond}")


def _are_devices(devices: int | list[int] | str) -> bool:
    if isinstance(devices, str):
        return re.fullmatch(r"auto|-1|[0-9]+(,[0-9]+)*,?", devices) is not None
    if isinstance(devices, int):
        return devices == -1 or devices >= 1
    return len(set(devices)) == len(devices) > 0 and min(devices) >= 0


def _check_vary(settings: Any) -> None:
    """Checks the values over which settings are varied, and converts them to the type of each setting."""
    schema = type(settings)
    settings.vary = {renamed(name, fields_of(schema)): values for name, values in settings.vary.items()}
    for name, values in settings.vary.items():
        if name not in fields_of(schema):
            raise SettingsError(f"vary: unknown setting {name!r}: {nearest(name, fields_of(schema))}")
        try:
            typed = [conform(value, hints_of(schema)[name]) for value in values]
        except Unfit:
            raise SettingsError(f"vary: {name} holds {_shown(values)}: {name} takes {_taken(schema, name)}") from None
        for value in typed:
            check_value(name, value, fields_of(schema)[name])
        settings.vary[name] = typed


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def _taken(schema: type[Any], name: str) -> str:
    choices = fields_of(schema)[name].metadata.get("choices")
    return " or ".join(choices) if choices else takes(hints_of(schema)[name])


def _shown(value: Any) -> str:
    text = str(value)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return "empty" if not text else repr(text) if isinstance(value, str) else text


def _advice(schema: type[Any], name: str, text: str) -> str:
    """What was most likely intended."""
    taken = takes(hints_of(schema)[name])
    if not text.strip():
        return f"; leave {name} out, or give it a value"
    if fields_of(schema)[name].metadata["path"] and len(text) > LONGEST_NAME:
        return f", and a folder's or file's name has at most {LONGEST_NAME} bytes"
    if "a mapping" in taken and ":" in text and text[0] != "{":
        return f"; write a mapping in quotes, which the shell leaves alone: '{name}={{{text.strip('{}[]')}}}'"
    if "," in text and text[0] not in "[{" and "a list" in taken:
        return f"; a list is written {name}=[{text}]"
    if "," in text and text[0] not in "[{" and schema.__name__ == "TrainSettings":
        return f"; -m runs one of each: contextssl train -m {name}={text}"
    return ""
