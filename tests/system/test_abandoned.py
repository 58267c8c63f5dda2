from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contextssl.system.files import atomic_path, write_bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
WRITER = """
import sys, time
from pathlib import Path
from contextssl.system.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("half", flush=True)
    time.sleep(60)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """A process that has written half of a file."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    return process


def test_what_a_killed_writer_left_goes_with_the_next_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "a model [1].pt2"
    killed, living, beside = writer(path), writer(path), writer(tmp_path / "another.pt2")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    try:
        assert len(list(tmp_path.iterdir())) == 3
        write_bytes(path, b"whole")
        assert path.read_bytes() == b"whole"
        assert sorted(file.read_bytes() for file in tmp_path.iterdir()) == [b"half", b"half", b"whole"]
    finally:
        for process in (living, beside):
            process.kill()
            process.communicate()
    with atomic_path(path) as temporary:
        assert temporary.read_bytes() == b""
        temporary.write_bytes(b"anew")
    assert sorted(file.read_bytes() for file in tmp_path.iterdir()) == [b"anew", b"half"], "another file's is not ours to remove"


def test_a_link_that_only_looks_like_one_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "precious.txt"
    other.write_text("kept")
    link = tmp_path / ".a.0123abcd.tmp.txt"
    link.symlink_to(other)
    write_bytes(tmp_path / "a.txt", b"x")
    assert other.read_text() == "kept" and link.is_symlink()
