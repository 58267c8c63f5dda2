"""A sample of each kind of fault, through the campaign's own command: all of it is held."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from faults import hostile_files
from faults.hostile import every_case
from faults.kinds import NAMES, kind
from faults.processes import ROOT, environment

# Of a whole campaign: a kill, a disk, a lack of memory, two commands at once, three damages, ten steps. Hostile files are in test_hostile.py.
SHARE = 0.001
KINDS = [name for name in NAMES if name != "hostile"]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("campaign") / "faults.json"
    words = [sys.executable, "-m", "faults", *KINDS, f"share={SHARE}", f"out={out}"]
    subprocess.run(
        words, cwd=ROOT, env={**environment(), "FAULTS_SLOWNESS": "10"}, check=False, capture_output=True, text=True, timeout=900
    )
    return dict(json.loads(out.read_text()))


@pytest.mark.parametrize("name", KINDS)
def test_a_sample_of_each_kind_is_held(campaign: dict[str, Any], name: str) -> None:
    [row] = [row for row in campaign["table"] if row["kind"] == name]
    assert row["tried"] == (5 if name == "long_run" else kind(name).count(SHARE))
    assert [each for each in campaign["fell_short"] if each["kind"] == name] == []
    assert row["held"] == row["tried"]


def test_a_whole_campaign_has_every_hostile_file() -> None:
    assert len(list(every_case())) == hostile_files.FULL


def test_the_table_says_what_made_it(campaign: dict[str, Any]) -> None:
    assert campaign["seed"] == 0 and campaign["machine"] and campaign["date"] and campaign["versions"]["torch"]
    assert Path(ROOT, "Makefile").read_text().count("-m faults") >= 1
