"""Looking a table over: what each column would be read as, what is missing, what could be a label or a factor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from contextssl import advice
from contextssl.data.check import CheckReport
from contextssl.data.tables.adult import TRAIN_FILE, read_adult
from contextssl.data.tables.columns import FEW_A_CATEGORY, MOST_CATEGORIES, as_numbers, as_words, inferred_kind
from contextssl.data.tables.mimic3 import read_mimic3
from contextssl.data.tables.table_file import is_table_file, read_file
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
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
) -> CheckReport:
    """A line a column; columns that cannot be read as they are count as faults.

    Args:
        limit: how many faults of each kind to tell in full.
        delimiter, drop, categorical, numeric: as a training on the table reads it.

    Raises:
        DataError: where the table cannot be read at all.
        SettingsError: for a column that it does not have.
    """
    report = CheckReport(path, "table", limit=limit)
    if path.is_file():
        frame = read_file(path, delimiter)
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
    for name in map(str, frame.columns):
        if name in drop:
            report.facts[name] = "left out"
            continue
        try:
            report.facts[name] = describe(name, frame[name], kinds.get(name))
        except ContextSSLError as error:
            report.add("column", str(error))
        else:
            for kind, message in _doubts(name, frame[name]) if name not in kinds else ():
                report.add(kind, message)
    return report


def describe(name: str, values: pd.Series, kind: str | None = None) -> str:
    """``number, 17 to 90``, or ``category of 8: Private 75 %, …``, and how much is missing.

    Raises:
        DataError: for a number that is none.
    """
    missing = float(values.isna().mean())
    lacking = f", {100 * missing:.1f} % missing" if missing else ""
    if (kind or inferred_kind(values)) == "number":
        numbers = as_numbers(name, values)
        return f"number, {pd.Series(numbers).min():g} to {pd.Series(numbers).max():g}{lacking}"
    counts = as_words(values).value_counts(normalize=True)
    shown = ", ".join(f"{word} {100 * share:.0f} %" for word, share in counts.head(SHOWN).items())
    return f"category of {len(counts)}: {shown}{', …' if len(counts) > SHOWN else ''}{lacking}"


def _doubts(name: str, values: pd.Series) -> list[tuple[str, str]]:
    left_out = advice.named("drop_columns", [name])
    if bool(values.isna().all()):
        return [("column", f"{name} is missing in every row: leave it out by {left_out}")]
    counts = as_words(values).value_counts() if inferred_kind(values) == "category" else None
    if counts is not None and len(counts) > MOST_CATEGORIES and counts.sum() / len(counts) < FEW_A_CATEGORY:
        kept = advice.named("categorical", [name])
        return [("column", f"{name} looks like an identifier: leave it out by {left_out}, or keep it by {kept}")]
    return []
