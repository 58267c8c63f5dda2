"""A file with its checksum beside it."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from contextssl.system.checksum_file import checksum_file, checksummed_path


def test_two_that_write_one_file_leave_the_checksum_of_what_is_there(tmp_path: Path) -> None:
    path, seen = tmp_path / "z.npy", []

    def second() -> None:
        with checksummed_path(path) as temporary:
            seen.append(path.read_bytes())
            temporary.write_bytes(b"second")

    with checksummed_path(path) as temporary:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        temporary.write_bytes(b"first")
    thread.join(20)
    assert seen == [b"first"], "it waited"
    assert path.read_bytes() == b"second"
    assert checksum_file(path).read_text() == f"{hashlib.sha256(b'second').hexdigest()}  z.npy\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["z.npy", "z.npy.sha256"]
