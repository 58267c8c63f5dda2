"""From ``key=value`` words to typed settings, through Hydra; what is wrong with a word is said in one line."""

from __future__ import annotations

import dataclasses
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from contextssl.errors import SettingsError, nearest
from contextssl.evaluation.protocols import FURTHER_PROTOCOLS, PROTOCOLS, settings_read

Settings = TypeVar("Settings")

CONFIG_DIR = Path(__file__).parent
EXPERIMENT = "experiment"
# Commands that take experiment=NAME, and the one that each starts from.
EXPERIMENT_OF: Mapping[str, str | None] = {"train": None, "demo": "shapes_minutes", "compare": None, "reproduce": None}

# Words of the published commands that mean nothing here, and why.
OBSOLETE: Mapping[str, Mapping[str, str]] = {
    "train": {"eval_normalize": "embeddings are always L2-normalised before they are looked at while training"},
    **{
        f"evaluate {protocol}": {"log_interval": "every number is computed once, at the end of the probes' epochs"}
        for protocol in (*PROTOCOLS, *FURTHER_PROTOCOLS, "all")
    },
}
# Words of the published commands that have another name here.
RENAMED: Mapping[str, Mapping[str, str]] = {
    f"evaluate {protocol}": {"eval_normalize": "normalize"} for protocol in (*PROTOCOLS, *FURTHER_PROTOCOLS, "all")
}


def experiments() -> list[str]:
    """The settings files that ship with the package, for ``experiment=NAME``."""
    return sorted(path.stem for path in (CONFIG_DIR / EXPERIMENT).glob("*.yaml"))


def read_overrides(command: str, schema: type[Settings], words: Sequence[str]) -> list[str]:
    """The words that Hydra is to read: checked to be ``key=value`` with keys that the command knows, without those that mean nothing any more.

    A list or mapping takes the place of the one in an experiment's file. Hydra would merge two mappings, and refuse a mapping where a list was;
    so settings that may be either are emptied first.

    Raises:
        SettingsError: for a word that is not ``key=value`` or an unknown key (naming the nearest).
    """
    fields = dataclasses.fields(schema)  # type: ignore[arg-type]
    known = {field.name for field in fields}
    of_any_kind = {field.name for field in fields if field.type == "Any"}
    if command in EXPERIMENT_OF:
        known.add(EXPERIMENT)
    kept = []
    for word, parsed in zip(words, _parse(words), strict=True):
        key = parsed.key_or_group
        if new := RENAMED.get(command, {}).get(key):
            key, word = new, new + word[len(key) :]
        if parsed.is_add() or parsed.is_delete() or parsed.package is not None:
            raise SettingsError(f"{word!r}: give settings as key=value; they can be set, but not added or removed")
        if reason := OBSOLETE.get(command, {}).get(key):
            warnings.warn(f"{word} is accepted but means nothing here: {reason}", UserWarning, stacklevel=2)
            continue
        if key in known and (reason := _needless(command, key)):
            warnings.warn(f"{word} is accepted but means nothing here: {reason}", UserWarning, stacklevel=2)
        if key.split(".")[0] not in known and not key.startswith("hydra"):
            raise SettingsError(f"unknown setting {key!r} of {command}: {nearest(key, known)} (contextssl {command} --help lists all)")
        if key == EXPERIMENT and not parsed.is_sweep_override() and parsed.value() not in experiments():
            raise SettingsError(f"unknown experiment {parsed.value()!r}: {nearest(str(parsed.value()), experiments())}")
        # With ++, since of two words with one key a sweep keeps the later.
        kept += [f"++{key}=null", word] if key in of_any_kind else [word]
    return kept


def _needless(command: str, key: str) -> str | None:
    """Why a setting that is known changes nothing, or None where it does something."""
    program, _, protocol = command.partition(" ")
    if program != "evaluate" or key in settings_read(protocol):
        return None
    readers = [name for name in (*PROTOCOLS, *FURTHER_PROTOCOLS) if key in settings_read(name)]
    return f"{command} does not read {key} ({', '.join(readers)} {'does' if len(readers) == 1 else 'do'})"


def _parse(words: Sequence[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed = []
    for word in words:
        try:
            parsed.append(parser.parse_override(word))
        except HydraException:
            raise SettingsError(f"{word!r} is not a setting: write key=value, with quotes around spaces and special characters") from None
    return parsed


def settings_from(command: str, schema: type[Settings], words: Sequence[str]) -> Settings:
    """The settings that ``words`` describe, defaults for the rest.

    Raises:
        SettingsError: for an unknown key, a value of the wrong type, or one that is not among the choices.
    """
    kept = read_overrides(command, schema, words)
    store_schema(command, schema)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(CONFIG_DIR), version_base="1.3"):
            config = compose(config_name=f"{command.replace(' ', '_')}_settings", overrides=kept)
        settings: Settings = OmegaConf.to_object(config)  # type: ignore[assignment]
        return checked(command, settings)
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_plain(command, error)) from None
    finally:
        GlobalHydra.instance().clear()


def store_schema(command: str, schema: type[Any]) -> None:
    """Make the schema known to Hydra under the command's name, with ``experiment=NAME`` where it takes that."""
    name = command.replace(" ", "_")
    store = ConfigStore.instance()
    store.store(name=f"{name}_schema", node=schema)
    defaults: list[Any] = [f"{name}_schema", "_self_"]
    if command in EXPERIMENT_OF:
        defaults.append({f"optional {EXPERIMENT}": EXPERIMENT_OF[command]})
    store.store(name=f"{name}_settings", node={"defaults": defaults})


def checked(command: str, settings: Settings) -> Settings:
    """The same settings, once every one that has choices is among them.

    Raises:
        SettingsError: naming the setting and the nearest choice.
    """
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        choices = field.metadata.get("choices")
        value = getattr(settings, field.name)
        if choices and value not in choices:
            raise SettingsError(f"unknown {field.name} {value!r}: {nearest(str(value), choices)} (choices: {', '.join(choices)})")
    return settings


def _plain(command: str, error: Exception) -> str:
    """Hydra's and OmegaConf's messages in one line, without their internals."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    key = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("full_key:")), None)
    about = f"setting {key!r} of {command}: " if key else ""
    return f"{about}{lines[0]}"


def help_text(command: str, schema: type[Any], intro: str) -> str:
    """What ``--help`` prints: every setting with its default, meaning, unit and choices, by group."""
    lines = [intro.strip(), "", f"usage: contextssl {command} key=value …", ""]
    if command in EXPERIMENT_OF:
        start = EXPERIMENT_OF[command]
        told = textwrap.wrap(f"a set of settings that ships with the package: {', '.join(experiments())}", 98)
        lines += [f"  experiment={start or 'NAME':18} {told[0]}", *(f"{'':32}{line}" for line in told[1:])]
        lines += [f"{'':32}its values stand in the place of the defaults below", ""] if start else [""]
    shown: set[str] = set()
    for group in reversed(schema.__mro__):
        fields = [field for field in dataclasses.fields(group) if field.name not in shown] if dataclasses.is_dataclass(group) else []
        if not fields:
            continue
        title = (group.__doc__ or group.__name__).split(".")[0]
        if group is not schema:
            lines.append(f"{title}:")
        for field in fields:
            shown.add(field.name)
            lines += _help_line(field)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _help_line(field: dataclasses.Field[Any]) -> list[str]:
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    written = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default).replace("'", "")
    meaning = field.metadata["help"]
    if unit := field.metadata["unit"]:
        meaning += f" [{unit}]"
    if choices := field.metadata["choices"]:
        meaning += f" ({', '.join(choices)})"
    head = f"  {field.name}={written}"
    body = textwrap.wrap(meaning, 98) or [""]
    if len(head) > 30:
        return [head, *(f"{'':32}{line}" for line in body)]
    return [f"{head:<32}{body[0]}", *(f"{'':32}{line}" for line in body[1:])]
