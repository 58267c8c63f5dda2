from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say that a parent has ended")


def test_a_process_that_the_first_has_started_ends_with_it() -> None:
    """Also where the first was killed, when it could tell nobody."""
    started = """
import time
from contextssl.system.first_process import end_with_first
end_with_first()
print("there", flush=True)
time.sleep(60)
"""
    first = f"""
import os, subprocess, sys
from contextssl.system.first_process import STARTED_BY
subprocess.Popen([sys.executable, "-c", {started!r}], env={{**os.environ, STARTED_BY: str(os.getpid())}})
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", first], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    process.kill()
    # Its output ends once both are gone.
    process.communicate(timeout=50)
