"""One hostile file of each kind is tried at its command, and the judge tells everything that it is there to tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from faults import hostile

ROOT = Path(__file__).parents[2]
FORKS = pytest.mark.skipif(sys.platform != "linux", reason="a case is tried in a forked process, with limits that Linux knows")
# What each of these calls does to the process that tries it, and what the judge says.
SEEN = {
    "held": "raise CheckpointError('x is damaged: use another')",
    "traceback": "raise KeyError('inside')",
    "silent": "return 0",
    "too slow": "[None for _ in iter(lambda: time.process_time() > 2, True)]",
    "too much memory": "held = b'x' * (300 << 20); raise CheckpointError('x is too large')",
    "executed": "Path('EXECUTED').touch(); raise CheckpointError('x is damaged')",
    "outside its folder": "Path('../escaped').touch(); raise CheckpointError('x is damaged')",
}
SCRIPT = """
import json, sys, time
from pathlib import Path
from contextssl.errors import CheckpointError
from faults import hostile_doors, hostile_judge
from faults.hostile_case import Case
hostile_judge.MOST_SECONDS, hostile_judge.MOST_BYTES = 1.0, 250 << 20
said = {}
for number, (outcome, body) in enumerate(json.loads(sys.argv[1]).items()):
    made = {}
    exec("def door():\\n    " + body, globals(), made)
    hostile_doors.DOORS = {"python:door": made["door"]}
    verdict = hostile_judge.judge(Case("toy", outcome, lambda folder, random: ["python:door"]), Path(sys.argv[2]) / str(number))
    said[outcome] = verdict.outcome
print(json.dumps(said))
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env={**os.environ, "FAULTS_SLOWNESS": "10"}, capture_output=True, text=True, timeout=3600
    )


@FORKS
def test_the_judge_tells_what_became_of_a_file(tmp_path: Path) -> None:
    ran = python("-c", SCRIPT, json.dumps(SEEN), str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {outcome: outcome for outcome in SEEN}


@FORKS
def test_one_file_of_each_kind_is_held(tmp_path: Path) -> None:
    ran = python("-m", "faults.hostile", "--sample", "1", "--seed", "0", "--json", str(tmp_path / "verdicts.json"))
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {verdict["outcome"] for verdict in verdicts} == {"held"}
    assert {verdict["kind"] for verdict in verdicts} == {case.kind for case in hostile.every_case()}


def test_there_are_hundreds_of_them_and_no_two_are_called_the_same() -> None:
    names = Counter((case.kind, case.name) for case in hostile.every_case())
    assert len(names) > 1000 and max(names.values()) == 1


def test_a_sample_is_the_same_for_a_seed_and_has_all_kinds() -> None:
    cases = list(hostile.every_case())
    drawn = hostile.sample(cases, 2, seed=3)
    assert [case.name for case in drawn] == [case.name for case in hostile.sample(cases, 2, seed=3)]
    assert set(Counter(case.kind for case in drawn).values()) == {2}
