"""Hostile files, each given to the command that reads its kind: none may run code, take more than 2 GiB or ten seconds, or end in anything but a
sentence.

    python -m faults.hostile [--kind checkpoint] [--sample 3] [--name WORDS] [--seed 0] [--json verdicts.json] [--list]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from faults import hostile_archives, hostile_arrays, hostile_checkpoints, hostile_images, hostile_requests, hostile_tables
from faults.hostile_case import Case
from faults.hostile_judge import Verdict, judge, table

PARTS = (hostile_checkpoints, hostile_arrays, hostile_images, hostile_archives, hostile_tables, hostile_requests)
# Loaded once, before a process is forked for each case: none of them computes anything while it is loaded.
LOADED = (
    "contextssl.cli",
    "contextssl.checkpoints",
    "contextssl.models.contextssl",
    "contextssl.commands.embed_command",
    "timm",
    "faults.hostile_doors",
)


def every_case() -> Iterator[Case]:
    for part in PARTS:
        yield from part.cases()


def sample(cases: Sequence[Case], each: int, seed: int) -> list[Case]:
    """So many of each kind, drawn."""
    drawn = random.Random(seed)
    found: list[Case] = []
    for kind in dict.fromkeys(case.kind for case in cases):
        own = [case for case in cases if case.kind == kind]
        found += drawn.sample(own, min(each, len(own)))
    return found


def tried(cases: Sequence[Case], seed: int = 0, *, show: bool = True) -> list[Verdict]:
    """What became of each."""
    for module in LOADED:
        __import__(module)
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        for number, case in enumerate(cases, start=1):
            verdict = judge(case, Path(folder) / f"{number:04d}", seed)
            verdicts.append(verdict)
            if show and verdict.outcome != "held":
                print(
                    f"{verdict.outcome:16} {case.kind}: {case.name}: {verdict.seconds:.1f} s, {verdict.memory / 2**20:.0f} MiB: {verdict.said}",
                    flush=True,
                )
    return verdicts


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", help="only cases of this kind")
    parser.add_argument("--name", default="", help="only cases whose name holds this")
    parser.add_argument("--sample", type=int, help="so many of each kind, drawn; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for every verdict")
    parser.add_argument("--list", action="store_true", help="names the cases and tries none")
    given = parser.parse_args(words)
    cases = [case for case in every_case() if given.kind in (None, case.kind) and given.name in case.name]
    if given.sample is not None:
        cases = sample(cases, given.sample, given.seed)
    if given.list:
        print("\n".join(f"{case.kind}: {case.name}" for case in cases))
        return 0
    verdicts = tried(cases, given.seed)
    print(table(verdicts))
    if given.json is not None:
        shown = [
            {
                "kind": v.case.kind,
                "name": v.case.name,
                "outcome": v.outcome,
                "said": v.said,
                "seconds": round(v.seconds, 2),
                "mib": v.memory >> 20,
            }
            for v in verdicts
        ]
        given.json.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    return 0 if all(verdict.outcome == "held" for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
