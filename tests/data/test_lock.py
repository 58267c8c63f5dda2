"""One at a time: who holds the lock, who waits, and what a process that died leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from contextssl.data.lock import only_one


def test_never_two_at_once_however_many_wait(tmp_path: Path) -> None:
    lock, inside, most, turns = tmp_path / "lock", 0, 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, turns
        for _ in range(10):
            with only_one(lock, "working"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with guard:
                    inside -= 1
                    turns += 1

    import contextssl.data.lock as module

    module.POLL_SECONDS, before = 0.001, module.POLL_SECONDS
    try:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        module.POLL_SECONDS = before
    assert (most, turns) == (1, 60) and not lock.exists()


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    script = (
        "import time; from pathlib import Path; from contextssl.data.lock import only_one\n"
        f"with only_one(Path({str(tmp_path / 'lock')!r}), 'x'):\n    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    began = time.monotonic()
    with only_one(tmp_path / "lock", "x"):
        assert time.monotonic() - began < 5
