"""Checking a table: what each column would be read as, what is missing, what could be a label or a factor."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from contextssl.config.data_settings import ColumnSettings
from contextssl.data.check_report import CheckReport
from contextssl.data.tables.cells import DAY, EPOCH, as_numbers, as_words, is_dates
from contextssl.data.tables.columns import inferred_kind
from contextssl.data.tables.records_table import SPLITS, Table
from contextssl.data.tables.suspect_columns import suspect_columns
from contextssl.data.tables.table_file import read_file
from contextssl.errors import ContextSSLError, SettingsError, nearest

# Of a column's commonest categories that are shown.
SHOWN = 3


def check_table(path: Path, settings: ColumnSettings) -> CheckReport:
    """One line per column of a file, as a training with these settings reads it; columns that cannot be read as they are count as faults.

    Raises:
        DataError: where the table cannot be read at all.
        SettingsError: for a column that it does not have.
    """
    frame = read_file(path, settings.delimiter, settings.decimal, settings.encoding)
    return _looked_over(CheckReport(path, "table"), frame, settings)


def check_splits(path: Path, table: Table, settings: ColumnSettings) -> CheckReport:
    """As :func:`check_table`, of what was read from a folder, and how many rows each split has."""
    report = CheckReport(path, "table")
    splits = pd.Series(table.splits).value_counts()
    report.facts["splits"] = {split: int(splits[split]) for split in SPLITS if split in splits}
    report.notes += table.notes
    return _looked_over(report, pd.concat([table.frame, table.targets], axis=1), settings)


def _looked_over(report: CheckReport, frame: pd.DataFrame, settings: ColumnSettings) -> CheckReport:
    report.facts["rows"], report.facts["columns"] = len(frame), len(frame.columns)
    drop, categorical, numeric = settings.drop_columns, settings.categorical, settings.numeric
    for name in (*drop, *categorical, *numeric):
        if name not in frame:
            raise SettingsError(f"{report.path} has no column {name!r}: {nearest(name, map(str, frame.columns))}")
    kinds = {**dict.fromkeys(categorical, "category"), **dict.fromkeys(numeric, "number")}
    faulty: list[str] = []
    for name in map(str, frame.columns):
        if name in drop:
            report.facts[name] = "dropped"
            continue
        try:
            report.facts[name] = describe(name, frame[name], kinds.get(name))
        except ContextSSLError as error:
            report.add("column", str(error))
            faulty.append(name)
    for suspect in suspect_columns(frame.drop(columns=[*drop, *faulty]), kinds):
        if suspect.stops:
            report.add("column", suspect.message)
        else:
            report.notes.append(suspect.message)
    return report


def describe(name: str, values: pd.Series, kind: str | None = None) -> str:
    """``number, 17 to 90``, or ``category of 8: Private 75 %, …``, and how much is missing; raises DataError for a value that is no number."""
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
