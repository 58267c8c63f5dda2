"""One function over many items, in processes and out of them."""

from __future__ import annotations

import errno
import multiprocessing.queues
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from contextssl.data import parallel
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.errors import DataError


def add_or_die(shared: int, task: int) -> int:
    if task == -1:
        os._exit(3)
    if task < -1:
        os.kill(os.getpid(), -task)
    return shared + task


def busy(shared: str, task: int) -> int:
    """Says where it is, then computes for long without letting another thread in."""
    Path(shared, str(os.getpid())).touch()
    re.match(r"(a?){28}a{28}", "a" * 28)
    return task


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
    for task, message in (
        (-1, r"a worker process ended before its work was done \(exit code 3\): .* workers=0"),
        (-signal.SIGKILL, r"a worker process was killed, most often for want of memory: .*fewer workers"),
        (-signal.SIGBUS, r"a worker process was ended by SIGBUS; a file that it read was cut short"),
    ):
        with pytest.raises(DataError, match=message):
            list(map_tasks(add_or_die, 10, [1, task, 2], workers=2))


UNGUARDED = """
import operator
from contextssl.data.parallel import map_tasks
from contextssl.errors import DataError
print("begin", flush=True)
print(sorted(map_tasks(operator.add, 10, range(20), workers=2)) == list(range(10, 30)), flush=True)
"""
ITS_OWN = """
def double(shared, task):
    return 2 * task
try:
    list(map_tasks(double, None, range(4), workers=2))
except DataError as error:
    print(error, flush=True)
"""


def test_a_script_needs_no_guard_unless_it_defines_what_workers_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED + ITS_OWN)
    run = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True)
    first, second, *rest = [line for line in run.stdout.splitlines() if line]
    assert (first, second) == ("begin", "True"), run.stderr
    assert "script.py again" in rest[-1] and "if __name__ == '__main__':" in rest[-1]


def test_a_script_from_standard_input_and_temporary_files_that_lie_deep(tmp_path: Path) -> None:
    """The path of a socket in that folder would be too long."""
    deep = tmp_path / ("x" * 110)
    deep.mkdir()
    run = subprocess.run([sys.executable, "-"], input=UNGUARDED, env=os.environ | {"TMPDIR": str(deep)}, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("begin\nTrue\n", 0), run.stderr


def test_processes_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(ProcessPoolExecutor, "submit", refuse)
    with pytest.raises(DataError, match=r"cannot start worker processes \(Resource temporarily unavailable\): workers=0"):
        list(map_tasks(add_or_die, 10, range(4), workers=2))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread of the worker ends it, when it gets its turn")
def test_threads_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that writes to the workers, which the executor's own starts: the work would wait for ever."""

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(multiprocessing.queues.Queue, "_start_thread", refused)
    before = threading.excepthook
    with pytest.raises(DataError, match=r"refused this process another thread, .*workers=0 uses none\); what was done is kept"):
        list(map_tasks(add_or_die, 1, range(8), workers=2))
    assert "Traceback" not in capsys.readouterr().err
    assert threading.excepthook == before and not multiprocessing.active_children()


def test_workers_end_at_once_with_their_parent(tmp_path: Path) -> None:
    script = (
        "from tests.data.test_parallel import busy; from contextssl.data.parallel import map_tasks\n"
        f"list(map_tasks(busy, {str(tmp_path)!r}, range(8), workers=2))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    while len(list(tmp_path.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    process.send_signal(signal.SIGTERM)
    process.wait()
    time.sleep(0.3)
    assert not [pid for pid in workers if _lives(pid)]


def _lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_chosen_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "available_cpus", lambda: 6)
    assert [chosen_workers(None, 100), chosen_workers(None, 2), chosen_workers(0, 9), chosen_workers(20, 9)] == [6, 2, 0, 9]
    with pytest.raises(DataError, match="workers=-2"):
        chosen_workers(-2, 3)
