"""Delimited text: what is read, and what is said of a file that is not what it should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from contextssl.data.tables.text_file import read_text
from contextssl.errors import DataError, SettingsError


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_what_is_missing_is_missing(tmp_path: Path) -> None:
    frame = read_text(written(tmp_path / "a.csv", "age, job ,x\n39, State-gov, 1\n?, ?, NA\n50,,2.5\n"))
    assert list(frame.columns) == ["age", "job", "x"]
    assert frame["job"].tolist()[0] == "State-gov" and frame["job"].isna().tolist() == [False, True, True]
    assert frame["age"].isna().tolist() == [False, True, False] and frame["x"].tolist()[2] == 2.5


def test_delimiters_headers_and_compression(tmp_path: Path) -> None:
    assert list(read_text(written(tmp_path / "a.tsv", "a\tb\n1\t2\n")).columns) == ["a", "b"]
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a;b\n1;x\n"))
    assert read_text(tmp_path / "b.csv.gz", delimiter=";")["b"].tolist() == ["x"]
    frame = read_text(written(tmp_path / "c.data", "|note\n1,2\n3,4\n\n"), names=["a", "b"], skip_rows=1)
    assert frame["a"].tolist() == [1, 3]
    assert read_text(written(tmp_path / "d.csv", 'a,b\n"x, y",2\n'))["a"].tolist() == ["x, y"]
    assert read_text(written(tmp_path / "e.csv", "a,b\n007,2\n"), texts=["a"])["a"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n1,2,3\n4,5\n", r"a\.csv cannot be read: line 3 has 2 fields where there should be 3 \('4,5' …\): mend that line"),
        ("a,b\n1,2,3\n", r"line 2 has 3 fields where there should be 2"),
        ("a;b;c\n1;2;3\n", r"has one column, 'a;b;c': its delimiter is not ','; say delimiter=';'"),
        ("a,b,a\n1,2,3\n", r"has the column 'a' twice"),
        ("a,b\n", "has a header and no rows"),
        ("", r"a\.csv cannot be read: Empty CSV file"),
    ],
)
def test_files_that_are_not_right(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_text(written(tmp_path / "a.csv", text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none\.csv: .*; check the path"):
        read_text(tmp_path / "none.csv")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:40])
    with pytest.raises(DataError, match=r"a\.csv\.gz"):
        read_text(tmp_path / "a.csv.gz")
    with pytest.raises(SettingsError, match="delimiter is '::'"):
        read_text(written(tmp_path / "b.csv", "a\n1\n"), delimiter="::")
