"""Reading delimited text files whole, so that a short row or a stray delimiter is said and never filled in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from contextssl.errors import DataError, SettingsError
from contextssl.files import storage_error

# What stands for a missing value.
MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


def read_text(
    path: Path,
    *,
    delimiter: str | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    texts: Sequence[str] = (),
) -> pd.DataFrame:
    """A CSV or TSV file, plain or compressed: types as its values show, missing values as NaN, spaces around values removed.

    Args:
        delimiter: a comma where left out, of ``.tsv`` a tab.
        names: of the columns, for a file without a header.
        skip_rows: lines before the header (or before the first row).
        texts: columns that stay text, whatever they look like.

    Raises:
        DataError: for a file that is missing, damaged or empty, a row with too few or too many fields, a repeated header, or one column
            that another delimiter would split.
    """
    # As an error names it, and as it is typed.
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if delimiter is not None and len(delimiter) != 1:
        raise SettingsError(f"delimiter is {delimiter!r}: give a single character, such as delimiter=';'")
    chosen = delimiter or ("\t" if ".tsv" in path.suffixes else ",")
    try:
        table = arrow_csv.read_csv(
            path,
            # In one thread errors name their row, and tables of people are small.
            read_options=arrow_csv.ReadOptions(column_names=list(names) if names else None, skip_rows=skip_rows, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=chosen),
            convert_options=arrow_csv.ConvertOptions(
                null_values=[*MISSING, *(f" {word}" for word in MISSING)],
                strings_can_be_null=True,
                column_types=dict.fromkeys(texts, pa.string()),
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} cannot be read: {_plain(error)}") from error
    except OSError as error:
        raise storage_error(error, path, "read") from error
    columns = [str(name).strip() for name in table.column_names]
    if len(columns) == 1 and (other := re.search(r"[;\t|,]", columns[0].replace(chosen, ""))):
        raise DataError(f"{path} has one column, {columns[0][:40]!r}: its delimiter is not {chosen!r}; say delimiter={other[0]!r}")
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise DataError(f"{path} has the column {twice[0]!r} twice: name each column of the header once")
    if not table.num_rows:
        raise DataError(f"{path} has a header and no rows")
    frame = table.rename_columns(columns).to_pandas()
    for name in frame.columns:
        if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name].dtype):
            frame[name] = frame[name].str.strip()
    return frame


def row_fault(message: str) -> str | None:
    """Arrow's message about a row of the wrong length in the words of a file; None where it is about something else."""
    found = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)(?:: (.*))?", message, flags=re.DOTALL)
    if found is None:
        return None
    row, expected, got, text = found.groups()
    shown = f" ({text.strip()[:60]!r} …)" if text else ""
    return f"{f'line {row}' if row else 'a line'} has {got} fields where there should be {expected}{shown}"


def _plain(error: Exception) -> str:
    if fault := row_fault(str(error)):
        return f"{fault}: mend that line, or quote fields that hold the delimiter"
    return f"{str(error).splitlines()[0]}; mend the file"
