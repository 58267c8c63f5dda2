from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from contextssl.system.memory import peak_memory_mib

PEAK = "from contextssl.system.memory import peak_memory_mib; print(peak_memory_mib())"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_the_peak_stays_after_memory_is_given_back_and_is_the_processs_own() -> None:
    before = peak_memory_mib()
    array = np.ones(2**27)  # 1 GiB
    held = peak_memory_mib()
    del array
    assert held - before > 900 and peak_memory_mib() > held - 1
    started = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert float(started.stdout) < held - 500 or sys.platform != "linux"
