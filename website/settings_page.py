"""One page with the settings of every command: name, default, meaning, unit and choices, as ``--help all`` lists them."""

from __future__ import annotations

import dataclasses
from typing import Any

from contextssl.commands import COMMANDS
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.experiments import EXPERIMENT_OF, experiments
from contextssl.config.help import FIRST

INTRO = """# Settings of every command

`contextssl COMMAND key=value …`; how values are written: [Settings on the command line](../settings.md). `contextssl COMMAND --help` lists those that
the chosen data set, method and protocol read, with the defaults of the chosen `experiment`. A setting may name your own code, as
`package.module:NAME` ([plug-ins](../plugins.md)).
"""


def settings_page() -> str:
    """The page as Markdown. Settings that several commands share are listed once: those of every evaluation, and of training."""
    schemas = list(dict.fromkeys(command.schema for command in COMMANDS.values()))
    parts = [INTRO]
    for schema in schemas:
        named = {name: command for name, command in COMMANDS.items() if command.schema is schema}
        if schema is EvaluateSettings:
            parts.append("## contextssl evaluate\n\n| command | |\n|---|---|\n")
            parts[-1] += "".join(f"| `contextssl {name} [RUN]` | {_cell(command.intro)} |\n" for name, command in named.items())
        else:
            ((name, command),) = named.items()
            usage = " ".join(["contextssl", name, *command.shown_positional])
            parts.append(f"## contextssl {name}\n\n`{usage} key=value …`\n\n{' '.join(command.intro.split())}\n")
            if name in EXPERIMENT_OF:
                sets = ", ".join(f"`{each}`" for each in experiments())
                parts.append(f"`experiment=NAME`: a set of settings that ships with the package: {sets}.\n")
        base = next((each for each in schemas if each is not schema and issubclass(schema, each)), None)
        if base is not None:
            (of,) = (name for name, command in COMMANDS.items() if command.schema is base)
            parts.append(f"The settings of [contextssl {of}](#contextssl-{of.replace(' ', '-')}) are its settings too.\n")
        parts += [_table(title, fields) for title, fields in _groups(schema, base)]
    return "\n".join(parts)


def _groups(schema: type[Any], base: type[Any] | None) -> list[tuple[str, list[dataclasses.Field[Any]]]]:
    """The settings of a command by group, but for those of ``base``; in the order of its help."""
    found = []
    placed = set() if base is None else {field.name for field in dataclasses.fields(base)}
    for group in reversed([each for each in schema.__mro__ if dataclasses.is_dataclass(each)]):
        fields = [field for field in dataclasses.fields(group) if field.name not in placed]
        placed |= {field.name for field in fields}
        if fields:
            found.append(("" if group is schema else str(group.__doc__).split(".")[0], fields))
    return sorted(found, key=lambda each: (bool(each[0]), FIRST.index(each[0]) if each[0] in FIRST else len(FIRST)))


def _table(title: str, fields: list[dataclasses.Field[Any]]) -> str:
    rows = [f"| `{field.name}` | {_default(field)} | {_meaning(field)} |" for field in fields]
    return "\n".join([*([f"### {title}\n"] if title else []), "| setting | default | meaning |", "|---|---|---|", *rows, ""])


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else str(value).replace(chr(39), '')}`"


def _meaning(field: dataclasses.Field[Any]) -> str:
    meaning, unit, choices = (field.metadata[key] for key in ("help", "unit", "choices"))
    limits = str(field.metadata["range"])
    meaning = meaning if isinstance(meaning, str) else meaning()
    # A meaning may say of each choice what it is.
    unnamed = [] if all(choice in meaning for choice in choices) else [", ".join(choices)]
    return _cell("; ".join([meaning, *([f"in {unit}"] if unit else []), *([limits] if limits else []), *unnamed]))


def _cell(text: str) -> str:
    """Text in a cell of a table, nothing of which is markup."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("[", "\\[")
