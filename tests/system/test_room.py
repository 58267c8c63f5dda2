"""Memory that cannot be had is an error of Python, before a library that would crash is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contextssl.errors import out_of_memory
from contextssl.system.room import ensure_room

LIMITED = """
import resource
from pathlib import Path
from contextssl.system.room import ensure_room

pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**25,) * 2)
ensure_room(2**20)
try:
    ensure_room(2**27)
except MemoryError as error:
    print(error)
"""


def test_there_is_room() -> None:
    ensure_room(2**20)
    said = out_of_memory(MemoryError("cannot allocate 192 MiB"))
    assert said is not None and "192 MiB more were asked for" in said


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind are Linux's")
def test_no_room_is_said() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert done.stdout == "cannot allocate 128 MiB\n"
