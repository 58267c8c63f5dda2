"""Any file as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contextssl.data.dataset import open_data
from contextssl.data.tables import is_table_file
from contextssl.data.tables.table_file import read_file, read_table
from contextssl.errors import ContextSSLError, DataError, SettingsError
from tests.people import people, people_settings, write_people


def test_csv_and_parquet_give_the_same_table(tmp_path: Path) -> None:
    frame = people()
    write_people(tmp_path / "p.csv")
    frame.to_parquet(tmp_path / "p.parquet")
    tables = [read_table(tmp_path / name, label="income", factors=["sex"]) for name in ("p.csv", "p.parquet")]
    assert np.array_equal(tables[0].splits, tables[1].splits)
    datas = [open_data(people_settings(tmp_path / name), progress=False) for name in ("p.csv", "p.parquet")]
    assert datas[0].description["fingerprint"] == datas[1].description["fingerprint"]
    assert datas[0].test is not None and datas[0].columns is not None and "income" not in datas[0].columns.names


def test_rows_without_label_or_factor_are_left_out_and_counted(tmp_path: Path) -> None:
    frame = people()
    frame.loc[:4, "income"] = None
    frame.loc[10:12, "sex"] = None
    frame.to_csv(tmp_path / "p.csv", index=False)
    table = read_table(tmp_path / "p.csv", label="income", factors=["sex"])
    assert len(table) == 392
    assert table.notes == (
        "5 of 400 rows are left out, since income is missing in them",
        "3 of 395 rows are left out, since sex is missing in them",
    )


def test_nobody_is_in_two_splits(tmp_path: Path) -> None:
    frame = people().assign(who=[f"p{i // 4}" for i in range(400)])
    frame.to_csv(tmp_path / "p.csv", index=False)
    table = read_table(tmp_path / "p.csv", label="income", factors=["sex"], person="who")
    assert "who" not in table.frame
    for _, splits in pd.Series(table.splits).groupby(frame["who"]):
        assert splits.nunique() == 1
    assert set(table.splits) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"label": None}, SettingsError, r"no label is named: say .* label=COLUMN \(of sex, age, job, title, income\)"),
        ({"label": "incme"}, SettingsError, r"no column 'incme' for the label: did you mean 'income'\?"),
        ({"factors": None}, SettingsError, r"no factor is named"),
        ({"factors": ["gender"]}, SettingsError, r"no column 'gender' for the factor"),
        ({"factors": ["income"]}, SettingsError, r"'income' is the label and a factor"),
        ({"drop": ["sex"]}, SettingsError, r"drop_columns holds 'sex', which is the label, the person or a factor"),
        ({"label": "age", "factors": ["sex"]}, None, ""),
        ({"person": "who"}, SettingsError, r"no column 'who' for the person"),
        ({"factors": ["sex", "job"], "proxies": ["title"]}, SettingsError, r"proxy_columns: with several factors say of which one"),
        ({"test_fraction": 1.0}, SettingsError, r"test_fraction=1"),
    ],
)
def test_words_that_do_not_fit(tmp_path: Path, given: dict[str, Any], error: type[ContextSSLError] | None, message: str) -> None:
    path = write_people(tmp_path / "p.csv")
    words = {"label": "income", "factors": ["sex"], **given}
    if error is None:
        assert len(read_table(path, **words).targets.columns) == 1
        return
    with pytest.raises(error, match=message):
        read_table(path, **words)


def test_files_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*p\.csv: check the path"):
        read_file(tmp_path / "p.csv")
    (tmp_path / "p.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"p\.parquet is no Parquet file, or damaged"):
        read_file(tmp_path / "p.parquet")
    for name in ("p.xlsx", "p.json"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=r"is no CSV, TSV or Parquet file by its name: save the table as one"):
            read_file(tmp_path / name)
    people(5).iloc[:0].to_parquet(tmp_path / "e.parquet")
    with pytest.raises(DataError, match="has no rows"):
        read_file(tmp_path / "e.parquet")
    assert is_table_file(Path("a.csv.gz")) and is_table_file(Path("a.PARQUET")) and not is_table_file(Path("a.tar.gz"))


def test_columns_of_parquets_own_types(tmp_path: Path) -> None:
    waited = people(5).assign(waited=pd.to_timedelta([90, 60, 0, None, 1], unit="s"))
    waited.to_parquet(tmp_path / "t.parquet")
    assert read_file(tmp_path / "t.parquet")["waited"].tolist()[:3] == [90.0, 60.0, 0.0]
    odd: list[tuple[str, Any]] = [("lists", [1, 2]), ("mappings", {"a": 1}), ("bytes", b"\xff")]
    for what, value in odd:
        people().assign(odd=[value] * 400).to_parquet(tmp_path / "o.parquet")
        with pytest.raises(DataError, match=rf"the column 'odd' holds {what}, .*leave it out by drop_columns=\[odd\]"):
            open_data(people_settings(tmp_path / "o.parquet"), progress=False)
        open_data(people_settings(tmp_path / "o.parquet", drop_columns=["odd"]), progress=False)


def test_labels_and_factors_of_one_value(tmp_path: Path) -> None:
    people().assign(income="<=50K").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match="the label 'income' has one value in all rows"):
        read_table(tmp_path / "a.csv", label="income", factors=["sex"])
    people().assign(sex="Male").to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match=r"the factor 'sex' has one value \(Male\)"):
        open_data(people_settings(tmp_path / "b.csv"), progress=False)
    people().assign(salary=range(400)).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(DataError, match="the label 'salary' has 400 different values: it must be a class"):
        read_table(tmp_path / "c.csv", label="salary", factors=["sex"])
