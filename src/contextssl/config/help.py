"""What ``--help`` prints: every setting with its default, meaning, unit and choices, by group."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

from contextssl.config.experiments import EXPERIMENT_OF, experiments


def help_text(command: str, schema: type[Any], intro: str) -> str:
    """The whole help of a command."""
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
        head_lines = textwrap.wrap(head.strip(), 130, subsequent_indent="  ", break_long_words=False)
        return [*(f"  {line}" for line in head_lines), *(f"{'':32}{line}" for line in body)]
    return [f"{head:<32}{body[0]}", *(f"{'':32}{line}" for line in body[1:])]
