"""What made-up input once found stays mended, and a little is made up anew for each parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from contextssl.errors import DataError
from faults import fuzz
from faults.fuzz_targets import TARGETS, Target

FOUND = sorted(path for path in fuzz.FINDINGS.rglob("*") if path.suffix in (fuzz.BYTES_SUFFIX, fuzz.JSON_SUFFIX))
# A model is built for each input.
SLOW = ("checkpoints",)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    fuzz.load()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_was_found_is_taken_or_refused(path: Path, tmp_path: Path, unchecked_types: None) -> None:
    fuzz.tried(TARGETS[path.parent.name], fuzz.kept(path), tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_made_up_input_is_taken_or_refused(name: str, tmp_path: Path, unchecked_types: None) -> None:
    @settings(max_examples=4 if name in SLOW else 25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(TARGETS[name].strategy)
    def every(value: Any) -> None:
        fuzz.tried(TARGETS[name], value, tmp_path)

    every()


def test_a_parser_that_fails_is_found_and_what_it_failed_by_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def parse(value: bytes, folder: Path) -> None:
        if b"x" in value:
            raise DataError("x is refused")
        if len(value) > 3:
            raise KeyError("inside")

    monkeypatch.setattr(fuzz, "FINDINGS", tmp_path)
    monkeypatch.setattr(fuzz, "MOST_FINDINGS", 1)
    target = Target("toy", "a toy", TARGETS["metrics"].strategy, parse)
    tries, found = fuzz.fuzzed(target, 1, 0, tmp_path)
    assert found == 1 and tries > 1 and "KeyError" in capsys.readouterr().out
    assert len(fuzz.kept(next((tmp_path / "toy").glob("*.bin")))) == 4


def test_an_input_that_takes_too_long_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 1)

    def parse(value: Any, folder: Path) -> None:
        while True:
            pass

    with pytest.raises(fuzz.TooSlow):
        fuzz.tried(Target("toy", "a toy", TARGETS["pages"].strategy, parse), "", tmp_path)
