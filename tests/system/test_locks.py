"""One at a time: who holds the lock, who waits, and what a process that died leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contextssl.errors import BusyError, DataError
from contextssl.system.locks import locked

HOLDER = """
import os, sys, time
from contextssl.system.locks import locked
with locked(sys.argv[1], "at work"):
    child = os.fork() if hasattr(os, "fork") else os.getpid()
    if child == 0:
        time.sleep(60)
    print(child, flush=True)
    time.sleep(60)
"""


@contextmanager
def held_elsewhere(lock: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that holds the lock, and a child of it that lives on."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        yield holder, child
    finally:
        for process in (child, holder.pid):
            try:
                os.kill(process, 9)
            except ProcessLookupError:
                continue
        holder.wait()
        holder.stdout.close()


def test_a_lock_ends_with_its_process_even_where_a_child_lives_on(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held_elsewhere(lock) as (holder, child):
        with (
            pytest.raises(BusyError, match="another process is at work: wait for it to end, or stop it first"),
            locked(lock, "at work", wait=False),
        ):
            pass
        holder.kill()
        holder.wait()
        began = time.monotonic()
        with locked(lock, "at work"):
            assert time.monotonic() - began < 30
        os.kill(child, 0)  # it lives
    assert not lock.exists()


def test_who_waits_says_so_once(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contextssl.system.locks.SILENT_SECONDS", 0.01)
    lock = tmp_path / "lock"
    with held_elsewhere(lock) as (holder, _):
        threading.Timer(2, holder.kill).start()
        with locked(lock, "at work"):
            pass
    assert capfd.readouterr().err == "another process is at work: waiting for it to end\n"


def test_never_two_at_once_however_many_wait(tmp_path: Path) -> None:
    lock, inside, most, turns = tmp_path / "lock", 0, 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, turns
        for _ in range(5):
            with locked(lock, "at work"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with guard:
                    inside -= 1
                    turns += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, turns) == (1, 20) and not lock.exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot lock .*file.run"), locked(tmp_path / "file" / "run", "at work"):
        pass
