"""A setting together with its meaning, unit and range, from which ``--help`` and the checks are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contextssl.plugins import Kind

# Seeds are 64-bit integers.
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Range:
    """The range of a number, or of each number of a list; None for no such limit. Infinity and NaN are never allowed."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return not (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )

    def __str__(self) -> str:
        if self.least == 0 and (self.most is None or self.most == MOST_SEED) and self.below is None:
            return "0 or more"
        ends = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return " and ".join(f"{word} {limit:g}" for word, limit in ends.items() if limit is not None)


def setting(
    default: Any,
    meaning: str | Callable[[], str],
    unit: str = "",
    choices: tuple[str, ...] = (),
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    path: bool = False,
    names: Kind[Any] | None = None,
) -> Any:
    """A dataclass field with its help.

    Args:
        meaning: or a function that returns it, called for help only.
        least, most, above, below: the limits of its range.
        path: whether it is a file or folder, in which ``~`` is the home folder.
        names: the kind of part that its value names.
    """
    metadata = {"help": meaning, "unit": unit, "choices": choices, "range": Range(least, most, above, below), "path": path, "names": names}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
