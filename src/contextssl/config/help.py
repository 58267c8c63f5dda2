"""What ``--help`` prints: settings with their default, meaning, unit and choices, by group, those that everyone needs first. Unless all are asked
for, only those that the chosen data set, method or protocol reads.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from contextssl.config.experiments import EXPERIMENT_OF, experiments

# Groups that everyone needs, in this order, after the settings of the command itself; the others follow.
FIRST = ("Comparison", "Evaluated model", "Data (default: the run's)", "Evaluation", "Data", "Method", "Run", "Optimisation")
# Columns of text; the meanings of settings begin after so many.
NARROWEST, WIDEST, INDENT = 80, 130, 32


def help_text(
    command: str,
    schema: type[Any],
    intro: str,
    unread: Mapping[str, Collection[str]] | None = None,
    experiment: str | None = None,
    values: Any = None,
    own: Sequence[type[Any]] = (),
    positional: Sequence[str] = (),
) -> str:
    """The help of a command, as wide as the terminal within 80 to 130 columns.

    Settings that are ``unread`` with these choices, by the reason, are counted instead of listed. Shown are the ``values`` (default: the defaults),
    which start from an ``experiment`` where there is one, the settings that the chosen plug-ins declare (``own``), and what may be given without
    a name (``positional``).
    """
    width = text_width()
    left_out = {name for names in (unread or {}).values() for name in names}
    lines = [*_wrap(intro, width), "", f"usage: contextssl {' '.join([command, *positional])} key=value …", ""]
    if command in EXPERIMENT_OF:
        meaning = f"a set of settings that ships with the package: {', '.join(experiments())}"
        meaning += "; the values below are those of this set" if experiment else ""
        lines += [*_entry(f"experiment={experiment or 'NAME'}", meaning, width), ""]
    for title, fields in [*_groups(schema), *(group for declared in own for group in _groups(declared, titled=True))]:
        if shown := [field for field in fields if field.name not in left_out]:
            lines += [*([f"{title}:"] if title else []), *(line for field in shown for line in _help_line(field, values, width)), ""]
    if left_out:
        # What a command has instead of a setting is said where that setting is given.
        reasons = dict.fromkeys(why.removeprefix("not used ").split(", which")[0] for why, names in (unread or {}).items() if names)
        counted = "1 more setting is" if len(left_out) == 1 else f"{len(left_out)} more settings are"
        other = f" Other choices show theirs: contextssl {command} dataset=images --help" if command in EXPERIMENT_OF else ""
        lines += _wrap(f"{counted} not used {', '.join(reasons)}: contextssl {command} --help all lists all.{other}", width)
    return "\n".join(lines).rstrip() + "\n"


def _groups(schema: type[Any], titled: bool = False) -> list[tuple[str, list[dataclasses.Field[Any]]]]:
    """The settings of each group under its title. Those of the command itself come first, without one unless ``titled``, as a plug-in's are."""
    found, placed = [], set()
    for group in reversed(schema.__mro__):
        fields = [field for field in dataclasses.fields(group) if field.name not in placed] if dataclasses.is_dataclass(group) else []
        placed |= {field.name for field in fields}
        if fields:
            found.append(("" if group is schema and not titled else (group.__doc__ or group.__name__).split(".")[0], fields))
    return sorted(found, key=lambda each: (bool(each[0]), FIRST.index(each[0]) if each[0] in FIRST else len(FIRST)))


def text_width() -> int:
    """Columns of the terminal, within the limits in which help reads well; the widest where there is no terminal."""
    return min(max(shutil.get_terminal_size((WIDEST, 0)).columns, NARROWEST), WIDEST)


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def _help_line(field: dataclasses.Field[Any], values: Any, width: int) -> list[str]:
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if values is not None:
        # A plug-in's own are in a mapping.
        default = getattr(values, field.name) if hasattr(values, field.name) else values.own.get(field.name, default)
    written = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default).replace("'", "")
    meaning = field.metadata["help"]
    meaning = meaning if isinstance(meaning, str) else meaning()
    if unit := field.metadata["unit"]:
        meaning += f" [{unit}]"
    if (choices := field.metadata["choices"]) and not all(re.search(rf"(?<![\w-]){choice}(?![\w-])", meaning) for choice in choices):
        meaning += f" ({', '.join(choices)})"
    return _entry(f"{field.name}={written}", meaning, width)


def _entry(head: str, meaning: str, width: int) -> list[str]:
    """A setting and its value on the left, its meaning on the right; a long value has lines of its own."""
    body = [f"{'':{INDENT}}{line}" for line in _wrap(meaning, width - INDENT)]
    if len(head) > INDENT - 4:
        return [*textwrap.wrap(head, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False), *body]
    return [f"  {head:<{INDENT - 2}}{body[0].strip()}", *body[1:]]
