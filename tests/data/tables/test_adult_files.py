"""UCI Adult: the original files where they are at hand, and small ones of the same form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import open_data
from contextssl.data.tables.adult_files import read_adult
from contextssl.errors import DataError, SettingsError

REAL = Path(__file__).parents[4] / "shared/data/adult"
real = pytest.mark.skipif(not REAL.is_dir(), reason="UCI Adult's files are not next to this checkout")

LINES = [
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K",
    "50, ?, 83311, Bachelors, 13, Married-civ-spouse, ?, Husband, White, Male, 0, 0, 13, United-States, >50K",
    "28, Private, 338409, Bachelors, 13, Married-civ-spouse, Prof-specialty, Wife, Black, Female, 0, 0, 40, Cuba, <=50K",
    "37, Private, 284582, Masters, 14, Married-civ-spouse, Exec-managerial, Wife, White, Female, 0, 0, 40, United-States, >50K",
]


def write_adult(folder: Path, copies: int = 20) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adult.data").write_text("\n".join(LINES * copies) + "\n\n")
    (folder / "adult.test").write_text("|1x3 Cross validator\n" + "\n".join(f"{line}." for line in LINES * copies) + "\n\n")
    return folder


def test_the_files_as_they_are(tmp_path: Path) -> None:
    table = read_adult(write_adult(tmp_path), val_fraction=0.25)
    assert len(table) == 160 and (table.splits == "test").sum() == 80 and (table.splits == "val").sum() == 20
    assert set(table.targets["income"]) == {"<=50K", ">50K"}
    assert not {"fnlwgt", "education", "income"} & set(table.frame.columns)
    assert table.frame["workclass"].isna().sum() == 40 and table.frame["age"].tolist()[:4] == [39, 50, 28, 37]
    assert table.factors == {"gender": "sex"} and table.proxies == {"relationship": "gender"}
    assert read_adult(tmp_path, factors=["race", "age"]).proxies == {}


@real
def test_the_published_files() -> None:
    table = read_adult(REAL)
    assert len(table) == 32_561 + 16_281
    assert [int((table.splits == split).sum()) for split in ("train", "val", "test")] == [29_305, 3_256, 16_281]
    assert round(float((table.frame["sex"] == "Male").mean()), 3) == 0.668
    assert round(float((table.targets["income"] == ">50K").mean()), 3) == 0.239
    data = open_data(DataSettings(dataset="adult", data_dir=str(REAL), factors=["gender", "race", "age"]), progress=False)
    assert data.train.factors.names == ("gender", "race", "age") and data.train.factors["age"].width == 4
    assert data.columns is not None and "relationship" not in data.columns.names


def test_what_can_be_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no adult\.data in .*: put UCI Adult's files there as they are"):
        read_adult(tmp_path)
    write_adult(tmp_path)
    with pytest.raises(SettingsError, match=r"unknown factor 'sex' of adult: "):
        read_adult(tmp_path, factors=["sex"])
    shutil.copy(tmp_path / "adult.test", tmp_path / "adult.data")
    with pytest.raises(
        DataError, match=r"adult\.data cannot be read: .* 1 fields? where there should be 15|adult\.data cannot be read: .*15"
    ):
        read_adult(tmp_path)
    (tmp_path / "adult.data").write_text("\n".join([*LINES[:2], LINES[2].rsplit(",", 1)[0]]))
    with pytest.raises(DataError, match=r"line 3 has 14 fields where there should be 15"):
        read_adult(tmp_path)
    (tmp_path / "adult.data").write_text("\n".join(line.replace("39", "thirty") for line in LINES))
    with pytest.raises(DataError, match="holds text where the numbers of age should be"):
        read_adult(tmp_path)
    (tmp_path / "adult.data").write_text("\n".join(line.replace(">50K", "rich") for line in LINES))
    with pytest.raises(DataError, match="has the income 'rich'"):
        read_adult(tmp_path)


def test_a_test_file_without_its_first_line_keeps_its_first_person(tmp_path: Path) -> None:
    write_adult(tmp_path)
    whole = read_adult(tmp_path)
    lines = (tmp_path / "adult.test").read_text().splitlines(keepends=True)
    assert lines[0].startswith("|")
    (tmp_path / "adult.test").write_text("".join(lines[1:]))
    pd.testing.assert_frame_equal(read_adult(tmp_path).frame, whole.frame)


def test_settings_of_other_tables_are_refused(tmp_path: Path) -> None:
    write_adult(tmp_path)
    with pytest.raises(SettingsError, match="person is for dataset=table and means nothing to dataset=adult"):
        open_data(DataSettings(dataset="adult", data_dir=str(tmp_path), person="who"), progress=False)
    with pytest.raises(DataError, match="no data: give data_dir=DIR, the folder of UCI Adult's files"):
        open_data(DataSettings(dataset="adult"), progress=False)
    with pytest.raises(SettingsError, match=r"unknown label 'incom': did you mean 'income'\?"):
        open_data(DataSettings(dataset="adult", data_dir=str(tmp_path), label="incom"), progress=False)
    with pytest.raises(SettingsError, match=r"drop_columns: adult has no column 'ocupation': did you mean 'occupation'\?"):
        open_data(DataSettings(dataset="adult", data_dir=str(tmp_path), drop_columns=["ocupation"]), progress=False)
    data = open_data(DataSettings(dataset="adult", data_dir=str(tmp_path), drop_columns=["occupation"]), progress=False)
    assert data.columns is not None and "occupation" not in data.columns.names
