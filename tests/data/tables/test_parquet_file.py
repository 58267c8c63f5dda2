"""What a Parquet file says of itself is looked at before it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contextssl.data.tables import parquet_file
from contextssl.data.tables.table_file import read_file
from contextssl.errors import DataError


def repeated(path: Path, value: Any, rows: int) -> Path:
    """A value that stands there many times, in next to no room."""
    pq.write_table(pa.table({"a": pa.array([value]).take(pa.array(np.zeros(rows, np.int32)))}), path)
    return path


@pytest.mark.parametrize("value", [7, "word", 0.5, None, [1.0, 2.0]])
def test_a_table_is_read(tmp_path: Path, value: Any) -> None:
    assert len(read_file(repeated(tmp_path / "t.parquet", value, 1000))) == 1000


def test_a_billion_values_in_a_few_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = repeated(tmp_path / "t.parquet", 7, 100_000)
    monkeypatch.setattr(parquet_file, "MOST_VALUES", 1000)
    monkeypatch.setattr(pd, "read_parquet", lambda path: pytest.fail("read"))
    with pytest.raises(DataError, match=r"declares 100,000 values: it is damaged, or made to exhaust memory"):
        read_file(path)


def test_a_long_word_many_times_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = repeated(tmp_path / "t.parquet", "x" * 1000, 5000)
    monkeypatch.setattr(parquet_file, "MOST_LETTERS", 10_000)
    monkeypatch.setattr(pd, "read_parquet", lambda path: pytest.fail("read"))
    with pytest.raises(DataError, match="declares words of 5,000,000 letters"):
        read_file(path)


def test_too_many_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "MOST_COLUMNS", 3)
    pq.write_table(pa.table({name: [1] for name in "abcd"}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="has 4 columns, more than the 3"):
        read_file(tmp_path / "t.parquet")
