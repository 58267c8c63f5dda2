"""Columns: what kind they are, how they are encoded, and that nothing of other rows than the training ones gets in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.tables.columns import MOST_CATEGORIES, Columns, inferred_kind
from contextssl.errors import DataError, SettingsError

FRAME = pd.DataFrame(
    {
        "age": [20.0, 40.0, np.nan, 60.0],
        "sex": ["Male", "Female", "Male", None],
        "old": [True, False, False, True],
        "flag": [0, 1, 1, 0],
        "hours": [10, 20, 30, 40],
    }
)


def test_kinds_are_inferred() -> None:
    kinds = {name: inferred_kind(FRAME[name]) for name in FRAME}
    assert kinds == {"age": "number", "sex": "category", "old": "category", "flag": "category", "hours": "number"}
    assert inferred_kind(pd.Series([1, 2, 3], dtype="category")) == "category"


def test_rows_by_hand() -> None:
    columns = Columns.fit(FRAME)
    assert [column.name for column in columns.columns] == ["age", "age", "sex", "old", "flag", "hours"]
    rows = columns.encode(FRAME)
    deviation = np.std([20, 40, 60])
    # Codes by how common a category is, then by the alphabet; 0 where it is missing. A missing number is the mean, and marked as missing.
    assert np.allclose(rows[0], np.array([-20 / deviation, 1, 1, 2, 1, -15 / np.std([10, 20, 30, 40])]))
    assert rows[2][:3].tolist() == [0, 2, 1] and rows[3][2] == 0 and rows[1][2] == 2
    assert columns.words(rows[0]) == "age 20, sex Male, old True, flag 0, hours 10"
    assert columns.words(rows[2], ["age", "sex"]) == "age missing, sex Male" and columns.words(rows[3], ["sex"]) == "sex unknown"


def test_other_rows_are_read_by_what_the_training_rows_showed() -> None:
    columns = Columns.fit(FRAME)
    fresh = FRAME.assign(sex="Other", hours=1000, age=np.nan)
    rows = columns.encode(fresh)
    assert (rows[:, 2] == 0).all() and columns["hours"].centre == 25
    assert columns.encode(FRAME.iloc[:1]).tolist() == columns.encode(FRAME)[:1].tolist()


def test_columns_survive_being_plain_values() -> None:
    columns = Columns.fit(FRAME)
    assert Columns.from_list(columns.to_list()) == columns
    assert columns.names == ("age", "sex", "old", "flag", "hours") and columns.places("age") == (0, 1)
    assert columns.summary() == "5 columns: 3 read as categories (sex, old, flag); 2 read as numbers (age, hours)"


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=3, max_size=50))
def test_numbers_come_back(values: list[float | None]) -> None:
    series = pd.Series(values, dtype=float)
    if series.nunique() < 3:
        return
    columns = Columns.fit(pd.DataFrame({"x": series}))
    rows = columns.encode(pd.DataFrame({"x": series}))
    back = rows[:, 0] * columns["x"].scale + columns["x"].centre
    there = series.notna().to_numpy()
    assert np.isfinite(rows).all() and np.allclose(back[there], series[there], atol=1e-5 * max(1, series.abs().max()))
    edges = np.array(columns["x"].edges)
    assert (np.diff(edges) > 0).all() and np.isclose(edges[0], rows[there, 0].min(), atol=1e-4)


def test_kinds_can_be_chosen() -> None:
    assert Columns.fit(FRAME, {"hours": "category"})["hours"].categories == ("10", "20", "30", "40")
    assert Columns.fit(FRAME, {"flag": "number"})["flag"].kind == "number"
    with pytest.raises(SettingsError, match=r"unknown column 'hour': did you mean 'hours'\?"):
        Columns.fit(FRAME, {"hour": "category"})
    with pytest.raises(DataError, match=r"the column 'sex' holds 'Male' in row 1, which is no finite number: .*categorical=\[sex\]"):
        Columns.fit(FRAME, {"sex": "number"})


def test_columns_that_cannot_be_read() -> None:
    with pytest.raises(DataError, match=r"'empty' is missing in every training row: leave it out by drop_columns=\[empty\]"):
        Columns.fit(FRAME.assign(empty=None))
    with pytest.raises(DataError, match="holds inf in row 1"):
        Columns.fit(FRAME.assign(hours=[np.inf, 1, 2, 3]))
    many = pd.DataFrame({"id": [f"person {i}" for i in range(MOST_CATEGORIES + 1)]})
    with pytest.raises(DataError, match=r"'id' has 257 different texts in 257 rows and looks like an identifier"):
        Columns.fit(many)
    kept = Columns.fit(many, {"id": "category"})
    assert len(kept["id"].categories) == MOST_CATEGORIES and (kept.encode(many)[:, 0] == 0).sum() == 1
    with pytest.raises(DataError, match="the table lacks the columns age, hours: the model was trained with age, sex"):
        Columns.fit(FRAME).encode(FRAME.drop(columns=["age", "hours"]))


def test_a_row_is_read_the_same_whatever_the_other_rows() -> None:
    frame = pd.DataFrame(
        {
            "dose": [0.5, 1.0] * 20,
            "flag": [0, 1] * 20,
            "size": [1.5, 2.0, 2.5, 3.0] * 10,
            "town": [" Rome", "Oslo"] * 20,
            "big": pd.array([10**17, 10**17 + 1] * 20, dtype="Int64"),
        }
    )
    columns = Columns.fit(frame, {"size": "category"})
    whole = columns.encode(frame)
    assert (whole > 0).all()
    for chosen in (frame.dose == 1.0, frame["size"] == 2.0, frame.town == "Oslo", frame.big == 10**17):
        assert np.allclose(columns.encode(frame[chosen]), whole[chosen.to_numpy(dtype=bool)])
    assert np.allclose(columns.encode(frame.assign(flag=frame.flag == 1)), whole), "truths for 0 and 1"
    assert np.allclose(columns.encode(frame.astype({"dose": "float32", "flag": float})), whole)
    assert np.allclose(
        columns.encode(frame.assign(flag=frame.flag.map(str), town=frame.town + "  ").rename(columns={"town": " town "})), whole
    )
    lost = columns.encode(frame.assign(town="?", dose=None))
    assert (lost[:, columns.places("town")[0]] == 0).all() and (lost[:, columns.places("dose")[0]] == 0).all()


def test_checkpoints_of_earlier_versions_write_whole_numbers_with_a_point() -> None:
    earlier = Columns.from_list([{**Columns.fit(pd.DataFrame({"dose": [0.5, 1.0]})).to_list()[0], "categories": ["0.5", "1.0"]}])
    assert earlier.encode(pd.DataFrame({"dose": [0.5, 1.0]})).tolist() == [[1], [2]]


def test_dates_are_numbers_of_days() -> None:
    days = [f"2020-01-{day:02}" for day in range(1, 29)]
    read = pd.DataFrame({"joined": pd.to_datetime(pd.Series(days))})
    columns = Columns.fit(read)
    rows = columns.encode(read)
    assert columns["joined"].date and columns.words(rows[4]) == "joined 2020-01-05"
    assert np.allclose(np.diff(rows[:, 0] * columns["joined"].scale), 1, atol=1e-4)
    for other in (
        pd.Series(days),
        pd.Series([each.date() for each in read.joined]),
        read.joined.dt.tz_localize("UTC"),
        pd.Series(days).astype("string"),
    ):
        assert np.allclose(columns.encode(pd.DataFrame({"joined": other})), rows)
    assert Columns.from_list(columns.to_list()) == columns
    with pytest.raises(DataError, match=r"the column 'joined' holds 'soon' in row 2, which is no date such as 2024-11-25"):
        columns.encode(pd.DataFrame({"joined": ["2020-01-01", "soon"]}))


def test_the_greatest_numbers_have_a_deviation() -> None:
    frame = pd.DataFrame({"x": [1e296, -1e296, 0.0, 5e295]})
    rows = Columns.fit(frame).encode(frame)
    assert np.isfinite(rows).all() and np.isclose(rows.std(), 1, atol=1e-3)
