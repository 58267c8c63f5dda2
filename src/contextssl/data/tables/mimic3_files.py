"""The seven tables of MIMIC-III that are read, as they are published: found, checked by their headers, and read column by column.

All headers are checked before the first table is read, so that what is missing is reported within a second and not after the prescriptions.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from contextssl.data.tables.bounded_input import BoundedInput
from contextssl.data.tables.text_file import row_fault
from contextssl.errors import DataError
from contextssl.system.files import storage_error

# By table its columns that are read, and how: identifiers and order numbers are whole numbers, dates are seconds, all else is text.
TABLES: Mapping[str, Mapping[str, str]] = {
    "ADMISSIONS": {
        **dict.fromkeys(("subject_id", "hadm_id"), "number"),
        **dict.fromkeys(("admittime", "dischtime"), "date"),
        **dict.fromkeys(("admission_type", "admission_location", "insurance", "marital_status", "ethnicity"), "text"),
    },
    "PATIENTS": {"subject_id": "number", "gender": "text", "dob": "date"},
    "ICUSTAYS": {"hadm_id": "number", "first_careunit": "text", "intime": "date"},
    "DIAGNOSES_ICD": {"hadm_id": "number", "icd9_code": "text"},
    "PROCEDURES_ICD": {"hadm_id": "number", "seq_num": "number", "icd9_code": "text"},
    "PRESCRIPTIONS": {"hadm_id": "number", "startdate": "date", "drug": "text"},
    "SERVICES": {"hadm_id": "number", "transfertime": "date", "curr_service": "text"},
}


@dataclass(frozen=True)
class TableFile:
    """A table's file, plain or compressed, and the columns of its header as they are written there."""

    name: str
    path: Path
    header: tuple[str, ...]

    @property
    def compressed(self) -> bool:
        return self.path.suffix.lower() == ".gz"

    def columns(self) -> dict[str, str]:
        """By lower-case name the column as the header writes it."""
        return {column.strip().lower(): column for column in self.header}


def find_tables(folder: Path) -> dict[str, TableFile]:
    """The files of all tables, whatever the case of their names, with headers that have what is read of them; raises DataError where the folder
    or tables are missing, or a header lacks a column, is another table's or is split by another delimiter.
    """
    if not folder.is_dir():
        found = "not a folder" if folder.exists() else "missing"
        raise DataError(f"{folder} is {found}: give data_dir=DIR, the folder of MIMIC-III's CSV files")
    try:
        listed = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    except OSError as error:
        raise storage_error(error, folder, "read") from error
    # A plain file goes before a compressed one.
    paths = {name: listed[file] for suffix in (".csv.gz", ".csv") for name in TABLES if (file := name.lower() + suffix) in listed}
    if missing := [f"{name}.csv" for name in TABLES if name not in paths]:
        raise DataError(
            f"no {', '.join(missing)} in {folder} (nor with .gz): put MIMIC-III's files there as they are published; "
            f"{len(TABLES)} are read, {', '.join(TABLES)}"
        )
    tables = {name: TableFile(name, paths[name], _header(paths[name])) for name in TABLES}
    for table in tables.values():
        _check_columns(table)
    return tables


def _header(path: Path) -> tuple[str, ...]:
    try:
        with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rt", encoding="utf-8-sig") as file:
            line = next(csv.reader(file), [])
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be decompressed ({error}): it is damaged or no gzip file; copy or download it again") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no text of UTF-8 with commas ({error}): copy or download it again") from error
    except OSError as error:
        raise storage_error(error, path, "read") from error
    if not line:
        raise DataError(f"{path} is empty: copy or download it again")
    return tuple(line)


def _check_columns(table: TableFile) -> None:
    columns = table.columns()
    if len(table.header) == 1 and (other := re.search(r"[;\t|]", table.header[0])):
        raise DataError(
            f"{table.path} has one column, {table.header[0][:40]!r}: it is split by {other[0]!r}; save it with commas, as it is published"
        )
    if twice := [name for name, count in Counter(name.strip().lower() for name in table.header).items() if count > 1]:
        raise DataError(f"{table.path} has the column {twice[0]!r} twice: use the file as it is published")
    if not (missing := [name for name in TABLES[table.name] if name not in columns]):
        return
    # The table whose columns these are, the one with the most columns read first.
    for name in sorted(TABLES, key=lambda name: -len(TABLES[name])):
        if name != table.name and TABLES[name].keys() <= columns.keys():
            raise DataError(f"{table.path} holds the columns of {name}, not of {table.name}: put {table.name}'s own file there")
    raise DataError(
        f"{table.path} has no column {', '.join(missing)}: {table.name} has it as published; this header is {', '.join(table.header)}"
    )


def read_table_file(table: TableFile) -> pd.DataFrame:
    """The columns that are read of a table, by their lower-case names: Int64 numbers, datetime64[s] dates, categorical text; missing values as NA.

    Raises:
        DataError: for a damaged file, a row with too few or too many fields, a value that is no number or date, a table without rows.
    """
    names, read = table.columns(), _arrow(table)
    if not read.num_rows:
        raise DataError(f"{table.path} has a header and no rows: copy or download it again")
    columns: dict[str, pd.Series] = {}
    for name, kind in TABLES[table.name].items():
        values = read.column(names[name])
        if kind == "number":
            columns[name] = pd.Series(values.to_pandas(), dtype="Int64")
        else:
            text = values.unify_dictionaries().to_pandas()
            columns[name] = _dates(table, name, text) if kind == "date" else text
    return pd.DataFrame(columns)


def _arrow(table: TableFile, threads: bool = True) -> pa.Table:
    names = table.columns()
    text = pa.dictionary(pa.int32(), pa.string())
    types = {names[name]: pa.int64() if kind == "number" else text for name, kind in TABLES[table.name].items()}
    reading = arrow_csv.ReadOptions(use_threads=threads, block_size=8 << 20)
    converting = arrow_csv.ConvertOptions(include_columns=list(types), column_types=types, null_values=[""], strings_can_be_null=True)
    try:
        with BoundedInput(table.path, ",", "gzip" if table.compressed else None) as stream:
            return arrow_csv.read_csv(stream, read_options=reading, convert_options=converting)
    except pa.ArrowInvalid as error:
        if threads:  # read by one thread, the error says the line
            return _arrow(table, threads=False)
        raise DataError(f"{table.path} cannot be read: {_plain(error, table)}") from error
    except OSError as error:
        if table.compressed and not error.errno:
            raise DataError(f"{table.path} cannot be decompressed: it is damaged or cut short; copy or download it again") from error
        raise storage_error(error, table.path, "read") from error


def _plain(error: Exception, table: TableFile) -> str:
    """Arrow's message in the words of the file."""
    message = str(error)
    if fault := row_fault(message):
        return f"{fault}; it is damaged or cut short: copy or download it again"
    if found := re.search(r"In CSV column #(\d+): (?:Row #(\d+): )?.*invalid value '(.*?)'", message):
        column, line, value = found.groups()
        where = f"{table.header[int(column)]}{f', line {line}' if line else ''}"
        return f"the column {where} holds {value[:40]!r}, which is no whole number; use the file as it is published"
    return f"{message.splitlines()[0]}; copy or download it again"


def _dates(table: TableFile, name: str, text: pd.Series) -> pd.Series:
    """Distinct texts are parsed once: the prescriptions have millions of rows and some ten thousands of days."""
    distinct = text.cat.categories
    # MIMIC's times are of no zone; where an export wrote one (Z), it is taken off.
    parsed = pd.to_datetime(pd.Series(distinct.astype(str)), format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    if len(strange := distinct[parsed.isna().to_numpy()]):
        raise DataError(
            f"{table.path} has {str(strange[0])[:40]!r} in the column {name} of {table.name}, which is no date such as 2164-10-23 21:09:00: "
            "use the file as it is published"
        )
    seconds = pd.concat([parsed.astype("datetime64[s]"), pd.Series([pd.NaT], dtype="datetime64[s]")], ignore_index=True)
    return seconds.take(text.cat.codes.to_numpy()).reset_index(drop=True)
