"""The alarms of a training as its results keep them, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def alarm_sentences(run: Mapping[str, Any]) -> list[str]:
    """A sentence for each alarm of a run's description in ``results.json``; those that still held at its end come first."""
    ordered = sorted(run.get("alarms", ()), key=lambda alarm: (alarm["until"] is not None, alarm["since"]))
    return [f"{_when(alarm)}: {alarm['says']}" for alarm in ordered]


def _when(alarm: Mapping[str, Any]) -> str:
    if alarm["until"] is None:
        return f"in alarm from step {alarm['since']:,} to the end"
    return f"in alarm from step {alarm['since']:,} to step {alarm['until']:,}"


def alarms_in_short(run: Mapping[str, Any]) -> str | None:
    """``"none"``, ``"2, of which 1 to the end"``; None where the run was not watched."""
    if "alarms" not in run:
        return None
    count, lasting = len(run["alarms"]), sum(alarm["until"] is None for alarm in run["alarms"])
    return "none" if count == 0 else f"{count}, of which {lasting} to the end"


def are_alarms(value: Any) -> bool:
    """Whether a value of a file is what :func:`alarm_sentences` reads."""

    def sound(alarm: Any) -> bool:
        if not isinstance(alarm, dict) or not isinstance(alarm.get("says"), str) or not isinstance(alarm.get("kind"), str):
            return False
        until = alarm.get("until", "missing")
        return isinstance(alarm.get("since"), int) and (until is None or isinstance(until, int))

    return isinstance(value, list) and all(map(sound, value))
