"""Hostile files (:mod:`faults.hostile` has the cases and what is promised of each), as a kind of the campaign."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.frame import Campaign, Kind, Outcome, Scenario
from faults.hostile import LOADED, every_case
from faults.hostile_case import Case
from faults.hostile_judge import judge

# All that there are.
FULL = 1202
# What a case may come to, in the campaign's words; the note keeps its own. Code that ran ended as if all were well.
AS = {
    "held": "held", "traceback": "traceback", "silent": "silent", "too slow": "hung", "too much memory": "hung", "executed": "silent",
    "outside its folder": "silent", "not made": "traceback",
}  # fmt: skip


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    for module in LOADED:
        __import__(module)
    cases = list(every_case())
    if count < FULL:
        # The first so many of an order in which the kinds take turns.
        kinds = {kind: [case for case in cases if case.kind == kind] for kind in dict.fromkeys(case.kind for case in cases)}
        turns = max(map(len, kinds.values()))
        cases = [own[turn] for turn in range(turns) for own in kinds.values() if turn < len(own)][:count]
    seconds: list[float] = []
    memory: list[int] = []

    def tried(case: Case, folder: Path) -> Outcome:
        found = judge(case, folder / "case", campaign.seed)
        seconds.append(found.seconds)
        memory.append(found.memory)
        campaign.note("hostile", most_seconds=round(max(seconds), 2), most_mib=max(memory) >> 20)
        return Outcome(AS[found.outcome], f"{found.outcome}: {found.said}")

    yield (Scenario(f"{case.kind}: {case.name}", partial(tried, case)) for case in cases)


KIND = Kind("hostile", FULL, "hostile files, given to the commands that read their kind", scenarios)
