from __future__ import annotations

import json
import subprocess
import sys

import pytest

# In a process of its own, whose peak is that of nothing else.
SCRIPT = """
import json, subprocess, sys
from contextssl.system.memory import peak_memory_mib
before = peak_memory_mib()
block = b"x" * 2**30
held = peak_memory_mib()
del block
again = "from contextssl.system.memory import peak_memory_mib; print(peak_memory_mib())"
started = subprocess.run([sys.executable, "-c", again], capture_output=True, text=True, check=True)
print(json.dumps([before, held, peak_memory_mib(), float(started.stdout)]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_the_peak_stays_after_memory_is_given_back_and_is_the_processs_own() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, held, after, of_another = json.loads(done.stdout)
    assert held - before > 900 and after > held - 1
    assert of_another < held - 500 or sys.platform != "linux"
