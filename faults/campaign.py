"""A campaign: its scenarios one after the other, an open journal of their outcomes, and the table at its end."""

from __future__ import annotations

import json
import platform
import shutil
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from contextssl.records.provenance import describe_machine
from contextssl.system.files import write_json
from faults.frame import VERDICTS, Campaign, Kind, Outcome
from faults.kinds import NAMES, kind

LIBRARIES = ("torch", "lightning", "numpy", "pillow", "filelock")


@dataclass(frozen=True)
class Words:
    """The words of the command line."""

    kinds: tuple[str, ...] = NAMES
    seed: int = 0
    share: float = 1.0
    out: Path = Path("build/faults/faults.json")

    @classmethod
    def of(cls, words: Sequence[str]) -> Words:
        given: dict[str, Any] = {}
        kinds = []
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                if word not in NAMES:
                    raise SystemExit(f"unknown kind {word!r}: known are {', '.join(NAMES)}")
                kinds.append(word)
            elif name in ("seed", "share", "out"):
                given[name] = {"seed": int, "share": float, "out": Path}[name](value)
            else:
                raise SystemExit(f"unknown word {word!r}: python -m faults [KIND …] [seed=0] [share=1] [out=build/faults/faults.json]")
        if kinds:
            given["kinds"] = tuple(kinds)
        return cls(**given)


def run(words: Words) -> dict[str, Any]:
    """Everything that is not in the journal yet; the whole campaign's file, which is written too."""
    out = words.out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    header = {"seed": words.seed, "share": words.share, "commit": machine["commit"]}
    journal = Journal(out.with_suffix(".jsonl"), header)
    campaign = Campaign(words.seed, out.parent / f"{out.stem}-work")
    campaign.notes.update(journal.notes)
    for name in words.kinds:
        _run_kind(kind(name), words.share, campaign, journal)
    made = {
        **header,
        "date": machine["date"],
        "machine": machine["machine"],
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **{library: metadata.version(library) for library in LIBRARIES}},
        "minutes": round(sum(line["seconds"] for line in journal.lines) / 60, 1),
        "table": table(journal),
        "notes": campaign.notes,
        "fell_short": [line for line in journal.lines if line["verdict"] != "held"],
    }
    write_json(out, made)
    return made


def _run_kind(kind: Kind, share: float, campaign: Campaign, journal: Journal) -> None:
    count = kind.count(share)
    if journal.complete(kind.name, count):
        return
    with kind.scenarios(campaign, count) as scenarios:
        for number, scenario in enumerate(scenarios):
            if (kind.name, scenario.name) in journal.known:
                continue
            folder = campaign.work / "now"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            began = time.monotonic()
            try:
                outcome = scenario.run(folder)
            except Exception:
                # A mistake of the campaign itself, or something that it did not foresee: never counted as held.
                outcome = Outcome("traceback", f"in the campaign: {traceback.format_exc(limit=-3)}")
            seconds = time.monotonic() - began
            journal.add(kind.name, scenario.name, outcome, seconds)
            shown = "" if outcome.verdict == "held" else f": {outcome.note}"
            print(f"{kind.name} {number + 1}/{count} {outcome.verdict:9} {seconds:6.1f} s  {scenario.name}{shown}", flush=True)
            if outcome.verdict != "held":
                _keep(folder, campaign.work / "fell-short" / f"{kind.name}-{number + 1}")
    journal.done(kind.name, count, campaign.notes.get(kind.name, {}))


def _keep(folder: Path, to: Path) -> None:
    """What a scenario left that fell short, for somebody to look at."""
    shutil.rmtree(to, ignore_errors=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(folder), to)


class Journal:
    """What has been tried: JSON lines, each written as soon as it is known."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        self.finished: dict[str, int] = {}
        self.notes: dict[str, Any] = {}
        if not path.exists():
            self._write({"campaign": header})
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                # Cut short where the campaign was killed: that scenario is tried again.
                continue
            if "campaign" in line and line["campaign"] != header:
                raise SystemExit(f"{path} is of another campaign ({line['campaign']}, not {header}): remove it, or name another out=")
            if "done" in line:
                self.finished[line["done"]] = line["count"]
                self.notes[line["done"]] = line["notes"]
            elif "verdict" in line:
                self.lines.append(line)

    @property
    def known(self) -> set[tuple[str, str]]:
        return {(line["kind"], line["name"]) for line in self.lines}

    def complete(self, kind: str, count: int) -> bool:
        return self.finished.get(kind) == count

    def add(self, kind: str, name: str, outcome: Outcome, seconds: float) -> None:
        line = {"kind": kind, "name": name, **asdict(outcome), "seconds": round(seconds, 2)}
        self.lines.append(line)
        self._write(line)

    def done(self, kind: str, count: int, notes: dict[str, Any]) -> None:
        self._write({"done": kind, "count": count, "notes": notes})

    def _write(self, value: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            # After a line that was cut short this one begins a new one.
            file.write(("\n" if file.tell() else "") + json.dumps(value))


def table(journal: Journal) -> list[dict[str, Any]]:
    """A row for each kind: tried, each verdict, seconds."""
    rows = []
    for name in dict.fromkeys(line["kind"] for line in journal.lines):
        own = [line for line in journal.lines if line["kind"] == name]
        counts = {verdict: sum(line["verdict"] == verdict for line in own) for verdict in VERDICTS}
        rows.append({"kind": name, "tried": len(own), **counts, "minutes": round(sum(line["seconds"] for line in own) / 60, 1)})
    return rows


def shown(made: dict[str, Any]) -> str:
    """The table as Markdown, with the line that says what made it."""
    columns = ("kind", "tried", *VERDICTS, "minutes")
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in made["table"]]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    where = f"{made['date']}, {made['machine']}, commit {made['commit']}, seed {made['seed']}, share {made['share']}, {versions}"
    return "\n".join([*lines, "", where])


def main(words: Sequence[str]) -> int:
    if any(word in ("-h", "--help", "help") for word in words):
        print("python -m faults [KIND …] [seed=0] [share=1] [out=build/faults/faults.json]")
        print("\n".join(f"  {name:10} {kind(name).full:5}  {kind(name).about}" for name in NAMES))
        return 0
    made = run(Words.of(words))
    print(shown(made))
    return 0 if all(row["held"] == row["tried"] for row in made["table"]) else 1
