"""What every kind of fault shares: a scenario, how it ended, and the five words that an end is judged by."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# held: what is promised. lost: something saved is gone, or the work does not go on. silent: it ends as if all were well, with something else than
# the undisturbed. traceback: it ends without a sentence for the user. hung: it does not end in time.
VERDICTS = ("held", "lost", "silent", "traceback", "hung")
# The times that are promised are those of a machine that does nothing else: on others they may be so many times as long.
SLOWNESS = float(os.environ.get("FAULTS_SLOWNESS", "1"))
# What Python, and the C libraries under it, print of an error that nobody foresaw.
UNFORESEEN = ("Traceback (most recent call last)", "Fatal Python error", "terminate called", "Segmentation fault", "Exception ignored in")
ERROR = re.compile(r"^contextssl: (?:error: )?(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """A verdict, one of :data:`VERDICTS`, and what was seen."""

    verdict: str
    note: str = ""

    def __post_init__(self) -> None:
        assert self.verdict in VERDICTS, self.verdict


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Args:
        code: its exit code; minus the signal's number where one ended it; None where it had to be killed.
        said: what it printed, output and errors.
        seconds: it ran so long; ``since_signal`` after the signal, with all processes that it had started.
        left: processes of it that were still there when the time was up.
    """

    code: int | None
    said: str
    seconds: float
    since_signal: float | None = None
    left: int = 0

    @property
    def unforeseen(self) -> str | None:
        """The line of a traceback that says what it was, or the like."""
        for sign in UNFORESEEN:
            if sign in self.said:
                lines = self.said[self.said.index(sign) :].strip().splitlines()
                return next((line for line in lines[1:] if line and not line[0].isspace()), lines[0])[:200]
        return None

    @property
    def sentence(self) -> str | None:
        """What the command said of why it ended."""
        found = ERROR.findall(self.said)
        return found[-1] if found else None

    @property
    def untidy(self) -> Outcome | None:
        """The verdict on an end that is wrong whatever was done to the command: it hung, or nobody foresaw it. None otherwise."""
        if self.code is None:
            return Outcome("hung", f"did not end by itself in {self.seconds:.0f} s")
        if self.left:
            return Outcome("hung", f"{self.left} of its processes live on")
        return None if self.unforeseen is None else Outcome("traceback", self.unforeseen)


@dataclass(frozen=True)
class Scenario:
    """One fault.

    Args:
        name: what is done to what, unique in its kind, the same for the same seed.
        run: prepares, does it in an empty folder, and judges the end.
    """

    name: str
    run: Callable[[Path], Outcome]


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Args:
        name: as the command line names it.
        full: how many scenarios a whole campaign has.
        about: what it tries, in a few words.
        scenarios: (campaign, how many) → the first so many, prepared for; whatever was started for them ends with the block.
    """

    name: str
    full: int
    about: str
    scenarios: Callable[[Campaign, int], AbstractContextManager[Iterator[Scenario]]]

    def count(self, share: float) -> int:
        return max(1, round(share * self.full))


@dataclass
class Campaign:
    """What a kind is given: the seed, and a folder for what is made once (data, models, undisturbed runs)."""

    seed: int
    work: Path
    notes: dict[str, Any] = field(default_factory=dict)

    def note(self, kind: str, **figures: Any) -> None:
        """Figures for the campaign's file, next to the table."""
        self.notes.setdefault(kind, {}).update(json.loads(json.dumps(figures)))
