"""A compressed tar unpacks to no more than is meant, wherever in it the zeros are."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from contextssl.data import archive, unpacked
from contextssl.data.archive import open_files
from contextssl.errors import DataError

SMALL = 1 << 16


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "UNPACKED_BYTES", 4 * SMALL)
    monkeypatch.setattr(archive, "UNPACKED_RATIO", 1)
    monkeypatch.setattr(unpacked, "HEADER_BYTES", SMALL)
    monkeypatch.setattr(unpacked, "PIECE", SMALL)


def tar_of(path: Path, *members: tuple[bytes, str, int], after: int = 0) -> Path:
    """Members (type, name, size) of zeros, the end of a tar, and so many zeros."""
    data = io.BytesIO()
    for kind, name, size in members:
        member = tarfile.TarInfo(name)
        member.type, member.size = kind, size
        data.write(member.tobuf(tarfile.GNU_FORMAT) + bytes(-(-size // 512) * 512))
    path.write_bytes(gzip.compress(data.getvalue() + bytes(1024 + after)))
    return path


@pytest.mark.parametrize(
    ("members", "after", "message"),
    [
        ([(tarfile.REGTYPE, "note.bin", 8 * SMALL)], 0, r"unpacks to more than 25\d\.\d KiB, against decompression bombs"),
        ([(tarfile.REGTYPE, "a.png", 10)], 8 * SMALL, r"unpacks to more than 25\d\.\d KiB"),
        ([(tarfile.GNUTYPE_LONGNAME, "././@LongLink", 2 * SMALL)], 0, r"has a header of 128\.0 KiB, more than the 64\.0 KiB"),
        ([(tarfile.XHDTYPE, "pax", 2 * SMALL)], 0, r"has a header of 128\.0 KiB"),
        ([(tarfile.XGLTYPE, "pax", 2 * SMALL)], 0, r"has a header of 128\.0 KiB"),
    ],
)
def test_zeros_are_refused_wherever_they_are(tmp_path: Path, members: list[tuple[bytes, str, int]], after: int, message: str) -> None:
    path = tar_of(tmp_path / "a.tar.gz", *members, after=after)
    with pytest.raises(DataError, match=message):
        open_files(path, lambda name: name.endswith(".png"))


def test_what_is_within_the_limits_is_read(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", (tarfile.REGTYPE, "note.bin", SMALL), (tarfile.REGTYPE, "a.png", 1000), after=SMALL)
    files = open_files(path, lambda name: name.endswith(".png"))
    assert files.names == ("a.png", "note.bin") and files.read("a.png") == bytes(1000)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_MEMBERS", 2)
    path = tar_of(tmp_path / "a.tar.gz", *((tarfile.REGTYPE, f"{number}.png", 1) for number in range(3)))
    with pytest.raises(DataError, match="lists more than the 2 members"):
        open_files(path, lambda name: True)
