"""UCI Adult: the three original files, as they are.

``adult.data`` (32,561 rows, no header) is for training and validation, ``adult.test`` (16,281, a first line ``|1x3 Cross validator``, which some
copies lack, labels with a trailing dot) for tests; missing values are written ``?``. Two columns are dropped: ``fnlwgt`` says how many people of
the census a row stands for, not what this one is like, and ``education`` repeats ``education-num`` in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from contextssl.data.splits import split_rows
from contextssl.data.tables.records_table import Table
from contextssl.data.tables.text_file import read_text
from contextssl.errors import DataError, SettingsError, nearest

COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"),
)
NUMBERS = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
UNUSED = ("fnlwgt", "education")
TRAIN_FILE, TEST_FILE = "adult.data", "adult.test"
LABEL = "income"
FACTORS = {"gender": "sex", "race": "race", "age": "age"}


def read_adult(data_dir: str | Path, *, factors: Sequence[str] = ("gender",), val_fraction: float = 0.1, seed: int = 0) -> Table:
    """The table: income (``<=50K``, ``>50K``) from eleven columns and the sex.

    Args:
        data_dir: the folder of ``adult.data`` and ``adult.test``.
        factors: of gender, race, age (in four bands).
        val_fraction: of ``adult.data``, stratified by income.
        seed: of that cut.

    Raises:
        DataError: where a file is missing, damaged, or not what it should be.
        SettingsError: for an unknown factor.
    """
    folder = Path(data_dir)
    for name in factors:
        if name not in FACTORS:
            raise SettingsError(f"unknown factor {name!r} of adult: {nearest(name, FACTORS)}")
    train, test = _read(folder / TRAIN_FILE), _read(folder / TEST_FILE)
    frame = pd.concat([train, test], ignore_index=True)
    income = frame.pop(LABEL)
    splits = split_rows((income == ">50K").to_numpy()[: len(train)].astype(np.int64), None, val_fraction, 0.0, seed)
    return Table(
        frame=frame.drop(columns=list(UNUSED)),
        factors={name: FACTORS[name] for name in factors},
        targets=pd.DataFrame({LABEL: income}),
        splits=np.concatenate([splits, np.full(len(test), "test")]),
        proxies={"relationship": "gender"} if "gender" in factors else {},  # husband and wife say the sex outright
        description={"kind": "adult", "val_fraction": val_fraction, "seed": seed, "rows": [len(train), len(test)]},
    )


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"no {path.name} in {path.parent}: put UCI Adult's files there as they are ({TRAIN_FILE}, {TEST_FILE})")
    with path.open("rb") as file:
        # The published test file has a line of its own in front; many copies of it do not.
        has_mark = path.name == TEST_FILE and file.readline().lstrip().startswith(b"|")
    frame = read_text(path, names=COLUMNS, skip_rows=int(has_mark), texts=[name for name in COLUMNS if name not in NUMBERS])
    for name in NUMBERS:
        if not pd.api.types.is_numeric_dtype(frame[name].dtype):
            raise DataError(f"{path} holds text where the numbers of {name} should be: is it UCI Adult's file as it was published?")
    frame[LABEL] = frame[LABEL].str.rstrip(".")
    if strange := sorted(set(frame[LABEL].dropna()) - {"<=50K", ">50K"}):
        raise DataError(f"{path} has the income {strange[0]!r}: it should be <=50K or >50K, as UCI Adult was published")
    return frame
