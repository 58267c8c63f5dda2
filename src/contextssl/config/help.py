"""What ``--help`` prints: settings with their default, meaning, unit and choices, by group; first what everyone needs, and unless all are asked for
those alone that the chosen data set, method or protocol reads."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from contextssl.config.experiments import EXPERIMENT_OF, experiments

# Groups that everyone needs, in this order; the others follow.
FIRST = ("Comparison", "Data", "Method", "Run", "Optimisation")


def help_text(
    command: str,
    schema: type[Any],
    intro: str,
    unread: Mapping[str, Collection[str]] | None = None,
    experiment: str | None = None,
    values: Any = None,
    own: Sequence[type[Any]] = (),
) -> str:
    """The help of a command.

    Args:
        experiment: the set of settings that it starts from, where there is one.
        values: settings whose values are told; the defaults where left out.
        own: what plug-ins that are chosen declare.
        unread: settings that are not read with what is chosen, by the reason, which are counted in the place of being told.
    """
    left_out = {name for names in (unread or {}).values() for name in names}
    lines = [intro.strip(), "", f"usage: contextssl {command} key=value …", ""]
    if command in EXPERIMENT_OF:
        told = textwrap.wrap(f"a set of settings that ships with the package: {', '.join(experiments())}", 98)
        lines += [f"  experiment={experiment or 'NAME':18} {told[0]}", *(f"{'':32}{line}" for line in told[1:])]
        lines += [f"{'':32}what is not said is as in this set; the values below are those", ""] if experiment else [""]
    for title, fields in [*_groups(schema), *(group for declared in own for group in _groups(declared, titled=True))]:
        if shown := [field for field in fields if field.name not in left_out]:
            lines += [*([f"{title}:"] if title else []), *(line for field in shown for line in _help_line(field, values)), ""]
    if left_out:
        reasons = ", ".join(why.removeprefix("not used ") for why, names in (unread or {}).items() if names)
        lines += textwrap.wrap(
            f"{len(left_out)} more settings are not used {reasons}. Name another choice to see what it reads "
            f"(contextssl train dataset=images --help), or ask for all: contextssl {command} --help all",
            130,
            break_on_hyphens=False,
        )
    return "\n".join(lines).rstrip() + "\n"


def _groups(schema: type[Any], titled: bool = False) -> list[tuple[str, list[dataclasses.Field[Any]]]]:
    """The settings of each group under its title; those of the command itself have none, and come last.

    Args:
        titled: they have one too, which a plug-in's do.
    """
    found, placed = [], set()
    for group in reversed(schema.__mro__):
        fields = [field for field in dataclasses.fields(group) if field.name not in placed] if dataclasses.is_dataclass(group) else []
        placed |= {field.name for field in fields}
        if fields:
            found.append(("" if group is schema and not titled else (group.__doc__ or group.__name__).split(".")[0], fields))
    return sorted(found, key=lambda each: (not each[0], FIRST.index(each[0]) if each[0] in FIRST else len(FIRST)))


def _help_line(field: dataclasses.Field[Any], values: Any) -> list[str]:
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if values is not None:
        # A plug-in's own lie in a mapping.
        default = getattr(values, field.name) if hasattr(values, field.name) else values.own.get(field.name, default)
    written = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default).replace("'", "")
    meaning = field.metadata["help"]
    meaning = meaning if isinstance(meaning, str) else meaning()
    if unit := field.metadata["unit"]:
        meaning += f" [{unit}]"
    if choices := field.metadata["choices"]:
        meaning += f" ({', '.join(choices)})"
    head = f"  {field.name}={written}"
    body = textwrap.wrap(meaning, 98) or [""]
    if len(head) > 30:
        head_lines = textwrap.wrap(head.strip(), 130, subsequent_indent="  ", break_long_words=False)
        return [*(f"  {line}" for line in head_lines), *(f"{'':32}{line}" for line in body)]
    return [f"{head:<32}{body[0]}", *(f"{'':32}{line}" for line in body[1:])]
