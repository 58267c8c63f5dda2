"""Delimited text: what is read, and what is said of a file that is not what it should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from contextssl.data.tables.cells import as_words, is_dates
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
        ("a,b,c\n1,2,3\n4,5\n", r"a\.csv cannot be read: line 3 has 2 fields where there should be 3 \('4,5' …\): fix that line"),
        ("a,b\n1,2,3\n", r"line 2 has 3 fields where there should be 2"),
        ("a;b;c\n1;2;3\n", r"has one column, 'a;b;c': its delimiter is not ','; say delimiter=';'"),
        ("a,b,a\n1,2,3\n", r"has the column 'a' twice"),
        ("a,b\n", "has a header and no rows"),
        ("a,,b\n1,x,2\n3,y,4\n", "has a column without a name, its 2nd: name it in the header"),
        ("a;b\n1,5;2\n", "line 2 has 2 fields where there should be 1.*or say another, such as delimiter=';'"),
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


def test_files_that_are_no_text(tmp_path: Path) -> None:
    import bz2
    import io
    import lzma
    import zipfile

    text = b"a,b\n1,2\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", text)
    for data, name, message in (
        (archive.getvalue(), "a.csv.zip", "a ZIP archive or an Excel file, not text: unpack it, or save the sheet as CSV"),
        (lzma.compress(text), "a.csv.xz", "compressed by xz, not text: unpack it"),
        (gzip.compress(text), "a.csv", r"compressed by gzip, not text: end its name in \.csv\.gz"),
        (bz2.compress(text), "a.tsv", r"compressed by bzip2, not text: end its name in \.csv\.bz2"),
        (b"PAR1 and more", "a.csv", r"a Parquet file, not text: end its name in \.parquet"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_text(tmp_path / name)
    (tmp_path / "a.csv.bz2").write_bytes(bz2.compress(text))
    assert read_text(tmp_path / "a.csv.bz2")["b"].tolist() == [2]


def test_columns_of_ordinary_types(tmp_path: Path) -> None:
    lines = [
        "day,moment,hour,true,big,text",
        "2020-01-02,2020-01-02 10:00:00,10:30:00,true,100000000000000001,x",
        ",,,,,",
        "2021-01-02,2021-01-02 11:00:00,11:30:00,false,2,y",
    ]
    text = "\n".join(lines)
    frame = read_text(written(tmp_path / "a.csv", text))
    assert is_dates(frame["day"]) and is_dates(frame["moment"]) and frame["day"].isna().tolist() == [False, True, False]
    assert as_words(frame["hour"]).tolist()[0] == "10:30:00" and as_words(frame["true"]).tolist() == ["True", None, "False"]
    assert as_words(frame["big"]).tolist() == ["100000000000000001", None, "2"], "no float in between"


def test_numbers_with_words_for_missing_ones_are_numbers(tmp_path: Path) -> None:
    for words in (["n/a", "-", "."], ["  ?", "? ", "--"], ["N/A", "#N/A", "null"]):
        frame = read_text(written(tmp_path / "a.csv", "x,y\n" + "".join(f"{each},1\n" for each in ["1", "2.5", *words])))
        assert frame["x"].tolist()[:2] == [1.0, 2.5] and frame["x"].isna().tolist() == [False, False, True, True, True], words
    frame = read_text(written(tmp_path / "b.csv", "x;y\n1,5;a\n2,25;b\n?;c\n"), delimiter=";", decimal=",")
    assert frame["x"].tolist()[:2] == [1.5, 2.25]


def test_encodings(tmp_path: Path) -> None:
    text = "naïve,town\n1,Orléans\n2,Zürich\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        frame = read_text(tmp_path / "a.csv")
        assert list(frame.columns) == ["naïve", "town"] and frame["town"].tolist() == ["Orléans", "Zürich"], encoding
    for body in (text, "name,town\n1,Orléans\n"):
        (tmp_path / "a.csv").write_bytes(body.encode("latin-1"))
        with pytest.raises(DataError, match=r"is no UTF-8.*: save it as UTF-8, or say what it is, such as encoding=cp1252"):
            read_text(tmp_path / "a.csv")
        assert read_text(tmp_path / "a.csv", encoding="cp1252")["town"].tolist()[0] == "Orléans"
    with pytest.raises(SettingsError, match="unknown encoding 'utf-9'"):
        read_text(tmp_path / "a.csv", encoding="utf-9")
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="is no utf-16"):
        read_text(tmp_path / "a.csv", encoding="utf-16")


def test_columns_without_a_name(tmp_path: Path) -> None:
    assert list(read_text(written(tmp_path / "a.csv", "a,b,\n1,2,\n3,4,\n")).columns) == ["a", "b"], "a comma at the end of every line"
    assert list(read_text(written(tmp_path / "b.csv", ",a\n0,5\n1,6\n2,9\n")).columns) == ["a"], "the index that pandas writes"
