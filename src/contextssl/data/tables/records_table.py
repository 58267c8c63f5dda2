"""A table of records before it becomes tensors: the same for every kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from contextssl.errors import DataError, SettingsError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Table:
    """Records (rows), their values (columns), and what is to be predicted of them (targets).

    Raises:
        DataError: where these do not fit together, naming the column.
    """

    # The inputs of a model, those of the factors among them: numbers (numeric dtype) or categories (strings or a pandas categorical). Missing
    # values are NaN or None. Index 0 to n - 1.
    frame: pd.DataFrame
    factors: Mapping[str, str]  # by factor the column of `frame` that holds its value
    targets: pd.DataFrame  # (n) one column per target, categories without missing values; the first is what probes call the class
    splits: np.ndarray  # (n,) "train", "val" or "test"
    proxies: Mapping[str, str] = field(default_factory=dict)  # by column of `frame` that determines a factor's value (Wife) that factor
    description: Mapping[str, Any] = field(default_factory=dict)  # plain values that determine the table: kind, path, splits, choices
    notes: tuple[str, ...] = ()  # to be shown before any numbers
    people: np.ndarray | None = None  # (n,) whose row each is, where a person may have several; None where every row is a person's

    def __post_init__(self) -> None:
        for name, column in self.factors.items():
            if column not in self.frame:
                raise DataError(f"there is no column {column!r} for the factor {name!r}: the table has {', '.join(self.frame.columns)}")
        if not self.factors:
            raise SettingsError("no factor is named: say which columns are factors, such as factors=[sex]")
        if not len(self.targets.columns):
            raise SettingsError("no label is named: say which column is to be predicted, such as label=income")
        for split in ("train", "val"):
            if (count := int((self.splits == split).sum())) < 2:
                raise DataError(f"the split {split!r} has {count} rows: it needs at least two")
        for name in map(str, self.targets.columns):
            if missing := int(self.targets[name].isna().sum()):
                raise DataError(f"the label {name!r} is missing in {missing} rows: leave those rows out")
            if self.targets[name].nunique() < 2:
                raise DataError(f"the label {name!r} has one value in all rows, so there is nothing to predict: choose another column")

    def __len__(self) -> int:
        return len(self.frame)
