"""A setting with its meaning, unit and range beside it, so that ``--help``, the checks and the documentation cannot fall behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# Seeds are whole numbers that fit 64 bits.
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Range:
    """What a number, or each number of a list, may be; None where there is no such end. No number may be infinite or not a number."""

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
        ends = [
            f"at least {self.least:g}" if self.least is not None else "",
            f"above {self.above:g}" if self.above is not None else "",
            f"at most {self.most:g}" if self.most is not None else "",
            f"below {self.below:g}" if self.below is not None else "",
        ]
        return " and ".join(filter(None, ends))


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
    found_by: Callable[[str], Any] | None = None,
) -> Any:
    """A dataclass field with its help.

    Args:
        meaning: or a function that tells it when help is asked for.
        least, most, above, below: the ends of its range.
        path: a file or folder, in which ``~`` is the home folder.
        found_by: finds what its value, or each of a list, is the name of; raises a SettingsError where that is nothing.
    """
    metadata = {
        "help": meaning,
        "unit": unit,
        "choices": choices,
        "range": Range(least, most, above, below),
        "path": path,
        "found_by": found_by,
    }
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
