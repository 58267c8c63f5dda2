"""Compressed text unpacks to no more than is meant."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from contextssl.data.tables import bounded_input
from contextssl.data.tables.text_file import read_text
from contextssl.errors import DataError

LINES = b"a,b\n" + b"1,x\n" * 50_000


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_text_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(pack(LINES))
    assert len(read_text(path)) == 50_000
    monkeypatch.setattr(bounded_input, "UNPACKED_BYTES", 10_000)
    with pytest.raises(DataError, match=r"t\.csv\S+ unpacks to more than .* KiB, against decompression bombs: unpack it yourself"):
        read_text(path)


def test_plain_text_may_be_as_long_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_input, "UNPACKED_BYTES", 10)
    (tmp_path / "t.csv").write_bytes(LINES)
    assert len(read_text(tmp_path / "t.csv")) == 50_000


def test_too_many_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_input, "MOST_COLUMNS", 3)
    (tmp_path / "t.csv").write_text("a,b,c,d\n1,2,3,4\n")
    with pytest.raises(DataError, match="has 4 columns, more than the 3"):
        read_text(tmp_path / "t.csv")
