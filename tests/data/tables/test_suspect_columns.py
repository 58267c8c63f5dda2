"""Columns that are not what they look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contextssl.config.data_settings import CheckSettings
from contextssl.data.dataset import open_data
from contextssl.data.tables.suspect_columns import suspect_columns
from contextssl.data.tables.table_check import check_table
from contextssl.errors import DataError
from tests.people import people, people_settings

ROWS = 400


def column(values: object) -> pd.DataFrame:
    frame = people(ROWS)
    frame["odd"] = pd.Series(values)
    return frame


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (range(ROWS), r"odd counts the rows \(0 to 399\) .*drop_columns=\[odd\], or keep it by numeric=\[odd\]"),
        (np.random.default_rng(0).permutation(ROWS) + 7, "odd counts the rows"),
        ([f"{i % 50},{i % 10}" for i in range(ROWS)], r"odd holds numbers, but also '.*decimal=,"),
        ([f"{i % 50} %" for i in range(ROWS)], "odd holds numbers, but also"),
        ([f"$1,{i % 90 + 100}" for i in range(ROWS)], "odd holds numbers, but also"),
        (
            [f"{i % 50}" if i % 40 else "unsure" for i in range(ROWS)],
            r"odd holds numbers, but also 'unsure', .* leave those fields \(10 rows\) empty",
        ),
        ([None] * ROWS, "odd is missing in every row"),
        ([f"name {i}" for i in range(ROWS)], "odd looks like an identifier"),
    ],
)
def test_what_would_be_read_as_something_else_stops_check_and_training(tmp_path: Path, values: object, message: str) -> None:
    path = tmp_path / "p.parquet"
    column(values).to_parquet(path)
    report = check_table(path, CheckSettings())
    assert not report.ok
    with pytest.raises(DataError, match=f"the column {message}"):
        open_data(people_settings(path), progress=False)
    assert open_data(people_settings(path, drop_columns=["odd"]), progress=False).columns is not None


def test_a_whole_number_that_names_its_row() -> None:
    numbers = np.random.default_rng(0).choice(10**6, ROWS, replace=False)
    frame = people(ROWS).assign(patient_id=numbers, weight=numbers)
    found = {suspect.column: suspect for suspect in suspect_columns(frame)}
    assert set(found) == {"patient_id", "weight"} and found["patient_id"].stops and not found["weight"].stops
    assert not suspect_columns(frame, {"patient_id": "number", "weight": "number"}), "what the user chose is not doubted"


def test_more_categories_than_are_kept_are_said(tmp_path: Path) -> None:
    frame = people(1200).assign(employer=[f"firm {i % 300}" for i in range(1200)])
    frame.to_csv(tmp_path / "p.csv", index=False)
    expected = r"employer has 300 categories, of which the 256 commonest are kept: 15 % of its rows are read as unknown"
    assert any(expected in note for note in check_table(tmp_path / "p.csv", CheckSettings()).notes)
    data = open_data(people_settings(tmp_path / "p.csv"), progress=False)
    assert any(expected in note for note in data.description["notes"])


@pytest.mark.parametrize(
    "values",
    [
        [f"{i % 12}th" for i in range(ROWS)],
        [("0", "1", "2", "3+")[i % 4] for i in range(ROWS)],
        [i % 7 for i in range(ROWS)],
        [i / 3 for i in range(ROWS)],
        [f"{i % 30}-{i % 30 + 5}" for i in range(ROWS)],
        pd.date_range("2020-01-01", periods=ROWS),
    ],
)
def test_ordinary_columns_are_not_suspect(values: object) -> None:
    assert suspect_columns(column(values)) == []
