"""Looking a table over: what each column would be read as, what is missing, what could be a label or a factor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from contextssl.data.check import CheckReport
from contextssl.data.tables.adult import TRAIN_FILE, read_adult
from contextssl.data.tables.columns import inferred_kind
from contextssl.data.tables.doubts import doubts
from contextssl.data.tables.mimic3 import read_mimic3
from contextssl.data.tables.table_file import is_table_file, read_file
from contextssl.data.tables.values import DAY, EPOCH, as_numbers, as_words, is_dates
from contextssl.errors import ContextSSLError, SettingsError, nearest

# Of a column's commonest categories that are shown.
SHOWN = 3


def is_table(path: Path) -> bool:
    """Whether a path is a table's file, or a folder of UCI Adult's or MIMIC-III's."""
    if path.is_file():
        return is_table_file(path)
    names = {each.name.lower() for each in path.iterdir()} if path.is_dir() else set()
    return TRAIN_FILE in names or any(name.startswith("admissions.csv") for name in names)


def check_table(
    path: Path,
    limit: int = 20,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
) -> CheckReport:
    """A line a column; columns that cannot be read as they are count as faults.

    Args:
        limit: how many faults of each kind to tell in full.
        delimiter, decimal, encoding, drop, categorical, numeric: as a training on the table reads it.

    Raises:
        DataError: where the table cannot be read at all.
        SettingsError: for a column that it does not have.
    """
    report = CheckReport(path, "table", limit=limit)
    if path.is_file():
        frame = read_file(path, delimiter, decimal, encoding)
    else:
        table = read_adult(path) if (path / TRAIN_FILE).is_file() else read_mimic3(path)
        frame = pd.concat([table.frame, table.targets], axis=1)
        splits = pd.Series(table.splits).value_counts()
        report.facts["splits"] = {split: int(splits[split]) for split in ("train", "val", "test") if split in splits}
        report.notes += table.notes
    report.facts["rows"], report.facts["columns"] = len(frame), len(frame.columns)
    for name in (*drop, *categorical, *numeric):
        if name not in frame:
            raise SettingsError(f"{path} has no column {name!r}: {nearest(name, map(str, frame.columns))}")
    kinds = {**dict.fromkeys(categorical, "category"), **dict.fromkeys(numeric, "number")}
    faulty: list[str] = []
    for name in map(str, frame.columns):
        if name in drop:
            report.facts[name] = "left out"
            continue
        try:
            report.facts[name] = describe(name, frame[name], kinds.get(name))
        except ContextSSLError as error:
            report.add("column", str(error))
            faulty.append(name)
    for doubt in doubts(frame.drop(columns=[*drop, *faulty]), kinds):
        if doubt.stops:
            report.add("column", doubt.message)
        else:
            report.notes.append(doubt.message)
    return report


def describe(name: str, values: pd.Series, kind: str | None = None) -> str:
    """``number, 17 to 90``, or ``category of 8: Private 75 %, …``, and how much is missing.

    Raises:
        DataError: for a number that is none.
    """
    missing = float(values.isna().mean())
    lacking = f", {100 * missing:.1f} % missing" if missing else ""
    if (kind or inferred_kind(values)) == "number":
        numbers = pd.Series(as_numbers(name, values))
        if is_dates(values):
            return f"date, {(EPOCH + numbers.min() * DAY).date()} to {(EPOCH + numbers.max() * DAY).date()}{lacking}"
        return f"number, {numbers.min():g} to {numbers.max():g}{lacking}"
    counts = as_words(values).value_counts(normalize=True)
    shown = ", ".join(f"{word} {100 * share:.0f} %" for word, share in counts.head(SHOWN).items())
    return f"category of {len(counts)}: {shown}{', …' if len(counts) > SHOWN else ''}{lacking}"
