"""One function over many items, in processes and out of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from rich.console import Console

from contextssl.data import parallel
from contextssl.data.parallel import Meter, chosen_workers, map_tasks
from contextssl.errors import DataError


def add_or_die(shared: int, task: int) -> int:
    if task < 0:
        os._exit(1)
    return shared + task


def test_in_this_process_tasks_are_drawn_one_by_one() -> None:
    drawn: list[int] = []

    def tasks() -> Iterator[int]:
        for task in range(5):
            drawn.append(task)
            yield task

    results = map_tasks(add_or_die, 10, tasks(), workers=0)
    assert next(results) == 10 and drawn == [0]
    results.close()
    assert drawn == [0]


def test_a_worker_that_dies_is_told_and_the_others_do_their_work() -> None:
    assert sorted(map_tasks(add_or_die, 10, range(30), workers=2)) == list(range(10, 40))
    with pytest.raises(DataError, match=r"a worker process died, most often for want of memory: .*fewer workers"):
        list(map_tasks(add_or_die, 10, [1, -1, 2], workers=2))


def test_chosen_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "available_cpus", lambda: 6)
    assert [chosen_workers(None, 100), chosen_workers(None, 2), chosen_workers(0, 9), chosen_workers(20, 9)] == [6, 2, 0, 9]
    with pytest.raises(DataError, match="workers=-2"):
        chosen_workers(-2, 3)


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(parallel, "PLAIN_LINE_SECONDS", -1.0)
    with Meter("packing x", 100, "images", done=20) as meter:
        meter.advance(30)
        meter.advance(50)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("packing x: 50 of 100 images (50%), ") and "images/s" in lines[0]
    assert lines[-1].startswith("packing x: 100 of 100 images (100%)")
    with Meter("packing x", 100, "images", show=False) as meter:
        meter.advance(100)
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("packing x", 100, "images")
    meter.console = Console(force_terminal=True, stderr=True, width=120)
    with meter:
        meter.advance(100)
    shown = capsys.readouterr().err
    assert "packing x" in shown and "100%" in shown and "images/s" in shown
