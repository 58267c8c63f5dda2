"""A table of made-up people: income follows age and job, the job leans on the sex, the title says it outright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data, open_data
from contextssl.data.tables.open_table import OpenTable, open_table
from contextssl.data.tables.table_file import read_table


def people(count: int = 400, seed: int = 0) -> pd.DataFrame:
    """Columns sex, age (missing in places), job, title, income."""
    random = np.random.default_rng(seed)
    woman = random.random(count) < 0.4
    age = random.uniform(20, 70, count).round()
    job = np.where(random.random(count) < np.where(woman, 0.7, 0.3), "nurse", "smith").astype(object)
    rich = age + 10 * (job == "smith") + random.normal(0, 5, count) > 52
    frame = pd.DataFrame({"sex": np.where(woman, "Female", "Male"), "age": age, "job": job, "title": np.where(woman, "Ms", "Mr")})
    frame["income"] = np.where(rich, ">50K", "<=50K")
    frame.loc[random.random(count) < 0.1, "age"] = np.nan
    frame.loc[random.random(count) < 0.05, "job"] = None
    return frame


def write_people(path: Path, count: int = 400, seed: int = 0) -> Path:
    people(count, seed).to_csv(path, index=False)
    return path


def people_settings(path: Path, **given: object) -> DataSettings:
    words = {"dataset": "table", "path": str(path), "label": "income", "factors": ["sex"], "proxy_columns": ["title"], **given}
    return DataSettings(**words)  # type: ignore[arg-type]


def opened_people(path: Path, **given: object) -> OpenTable:
    settings = people_settings(write_people(path), **given)
    table = read_table(path, label=settings.label, factors=settings.factors, proxies=settings.proxy_columns, drop=settings.drop_columns)
    return open_table(table, settings)


def people_data(path: Path, **given: object) -> Data:
    return open_data(people_settings(write_people(path), **given), progress=False)
