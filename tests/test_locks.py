from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contextssl.locks import locked

HOLDER = """
import os, sys, time
from pathlib import Path
from contextssl.locks import locked
with locked(Path(sys.argv[1])) as alone:
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print(alone, child, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_ends_with_its_process_even_where_a_child_lives_on(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    alone, child = holder.stdout.readline().split()
    try:
        assert alone == "True"
        with locked(tmp_path) as ours:
            assert not ours
        holder.kill()
        holder.wait()
        holder.stdout.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with locked(tmp_path) as ours:
                if ours:
                    break
            time.sleep(0.05)
        assert ours
        os.kill(int(child), 0)  # it lives
    finally:
        os.kill(int(child), 9)
        holder.kill()
