from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from contextssl.system.zip_directory import listed_members


@pytest.mark.parametrize("count", [0, 1, 300, 70_000])
def test_the_members_are_counted_without_being_listed(tmp_path: Path, count: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for number in range(count):
            made.writestr(zipfile.ZipInfo(str(number)), b"")
        made.comment = b"a comment"
    # A bound: names take room in the list too.
    assert count <= listed_members(tmp_path / "a.zip") <= 2 * count


def test_a_list_is_no_longer_than_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\5\6" + bytes(8) + b"\xff\xff\xff\xff" + bytes(6))
    assert listed_members(tmp_path / "a.zip") == 0


def test_what_does_not_end_as_a_zip_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(zipfile.BadZipFile):
        listed_members(tmp_path / "a.zip")
