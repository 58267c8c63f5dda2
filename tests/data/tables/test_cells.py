"""What a value is, whoever read it."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.tables.cells import as_numbers, as_words, tidied, word
from contextssl.errors import DataError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (1.0, "1"),
        (np.int8(1), "1"),
        (np.float32(0.1), "0.1"),
        (0.5, "0.5"),
        (True, "True"),
        (np.bool_(False), "False"),
        (Decimal("2.50"), "2.5"),
        (10**17 + 1, "100000000000000001"),
        ("  x y ", "x y"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (pd.Timestamp("2020-01-02"), "2020-01-02"),
        (pd.Timestamp("2020-01-02 03:04"), "2020-01-02 03:04:00"),
        (datetime.time(1, 2), "01:02:00"),
        *((missing, None) for missing in (None, np.nan, pd.NA, pd.NaT, "", " ? ", "N/A", "n/a", "-", ".", "NaN", Decimal("NaN"))),
    ],
)
def test_words(value: object, expected: str | None) -> None:
    assert word(value) == expected


def test_bytes_are_no_words() -> None:
    with pytest.raises(DataError, match=r"the column 'photo' holds bytes, .*drop_columns=\[photo\]"):
        as_words(pd.Series([b"x", b"y"], name="photo"))


def test_types_that_libraries_read_the_same() -> None:
    assert tidied("pay", pd.Series([Decimal("1.5"), None])).tolist()[0] == 1.5
    assert tidied("day", pd.Series([datetime.date(2020, 1, 2), None])).dt.year.tolist()[0] == 2020
    assert tidied("town", pd.Series([" a", "b ", "?"])).tolist() == ["a", "b", None]
    assert as_numbers("x", pd.Series([" 1", "2.5 ", "?", None])).tolist()[:2] == [1.0, 2.5]
    assert as_numbers("x", pd.Series([True, False])).tolist() == [1, 0]
    with pytest.raises(DataError, match=r"the column 'x' holds 'two' in row 2, which is no finite number: .*categorical=\[x\]"):
        as_numbers("x", pd.Series(["1", "two"]))


@given(st.lists(st.one_of(st.none(), st.integers(-10, 10), st.floats(allow_nan=True), st.text(max_size=3), st.booleans()), max_size=8))
def test_a_words_neighbours_do_not_matter(values: list[object]) -> None:
    together = as_words(pd.Series(values, dtype=object)).tolist()
    assert together == [as_words(pd.Series([value], dtype=object)).tolist()[0] for value in values]
