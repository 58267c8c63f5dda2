"""Reading delimited text files whole, so that a short row or a stray delimiter is an error and never filled in."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from contextssl import advice
from contextssl.data.tables.bounded_input import BoundedInput
from contextssl.data.tables.cells import tidied
from contextssl.errors import DataError, SettingsError
from contextssl.system.files import storage_error

# Bytes at the start of a file that say its encoding.
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# And those that say that it is no text: what it is, the suffixes by which it is read all the same, and what to do.
PACKED: Mapping[bytes, tuple[str, tuple[str, ...], str]] = {
    b"PK\x03\x04": ("a ZIP archive or an Excel file", (), "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", (), "save the sheet as CSV"),
    b"\xfd7zXZ\x00": ("compressed by xz", (), "unpack it, or compress it by gzip (.csv.gz)"),
    b"7z\xbc\xaf\x27\x1c": ("a 7-Zip archive", (), "unpack it"),
    b"\x1f\x8b": ("compressed by gzip", (".gz",), "end its name in .csv.gz"),
    b"BZh": ("compressed by bzip2", (".bz2",), "end its name in .csv.bz2"),
    b"\x28\xb5\x2f\xfd": ("compressed by Zstandard", (".zst",), "end its name in .csv.zst"),
    b"PAR1": ("a Parquet file", (), "end its name in .parquet"),
}


def read_text(
    path: Path,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    texts: Sequence[str] = (),
) -> pd.DataFrame:
    """A CSV or TSV file, plain or compressed: types as its values show, missing values as NaN, spaces around values removed.

    Args:
        delimiter: default: a comma, of ``.tsv`` a tab.
        decimal: the decimal separator; default: a point.
        encoding: of the text; default: UTF-8, or UTF-16 where the file begins with its mark.
        names: of the columns, for a file without a header.
        skip_rows: lines before the header (or before the first row).
        texts: columns that stay text, whatever they look like.

    Raises:
        DataError: for a file that is missing, damaged or empty, a row with too few or too many fields, a repeated header, or one column
            that another delimiter would split.
    """
    # As an error names it, and as it is typed.
    delimiter = "\t" if delimiter == "\\t" else delimiter
    for name, value, example in (("delimiter", delimiter, "';'"), ("decimal", decimal, ",")):
        if value is not None and len(value) != 1:
            raise SettingsError(f"{name} is {value!r}: give a single character, such as {name}={example}")
    chosen = delimiter or ("\t" if ".tsv" in path.suffixes else ",")
    if decimal == chosen:
        raise SettingsError(
            f"{decimal!r} cannot part fields and stand before decimals at once: say another delimiter, such as delimiter=';'"
        )
    _refuse_packed(path)
    try:
        codecs.lookup(known := encoding or _marked_encoding(path))
    except LookupError as error:
        raise SettingsError(f"unknown encoding {encoding!r}: {_ENCODINGS}") from error
    try:
        # In one thread errors name their row, and tables of people are small.
        reading = arrow_csv.ReadOptions(column_names=list(names) if names else None, skip_rows=skip_rows, use_threads=False, encoding=known)
        # Everything else that is missing, and what is a number in spite of it, is found below.
        converting = arrow_csv.ConvertOptions(
            null_values=["", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"],
            strings_can_be_null=True,
            column_types=dict.fromkeys(texts, pa.string()),
            decimal_point=decimal or ".",
        )
        parsing = arrow_csv.ParseOptions(delimiter=chosen)
        with BoundedInput(path, chosen) as opened:
            table = arrow_csv.read_csv(opened, read_options=reading, parse_options=parsing, convert_options=converting)
        columns = [name.strip().lstrip("\ufeff") for name in table.column_names]
    except DataError:
        raise
    except UnicodeError as error:
        raise DataError(f"{path} is no {encoding or 'UTF-8'}: {_ENCODINGS}") from error
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error).upper().replace("-", ""):
            raise DataError(f"{path} is no UTF-8: {_ENCODINGS}") from error
        raise DataError(f"{path} cannot be read: {_plain(error)}") from error
    except OSError as error:
        raise storage_error(error, path, "read") from error
    if len(columns) == 1 and (other := re.search(r"[;\t|,]", columns[0].replace(chosen, ""))):
        shown = r"'\t'" if other[0] == "\t" else advice.word(other[0])
        raise DataError(f"{path} has one column, {columns[0][:40]!r}: its delimiter is not {chosen!r}; say delimiter={shown}")
    if twice := [name for name, count in Counter(columns).items() if count > 1 and name]:
        raise DataError(f"{path} has the column {twice[0]!r} twice: name each column of the header once")
    if not table.num_rows:
        raise DataError(f"{path} has a header and no rows")
    frame = {}
    for place, name in enumerate(columns):
        values = _column(path, name, table.column(place))
        if not name:
            if _nameless(values, place):
                continue
            raise DataError(f"{path} has a column without a name, its {place + 1}{_nth(place + 1)}: name it in the header")
        frame[name] = values if name in texts else _retyped(values, decimal)
    return pd.DataFrame(frame)


_ENCODINGS = "save it as UTF-8, or say what it is, such as encoding=cp1252 (Excel's in Western Europe) or encoding=utf-16"


def _refuse_packed(path: Path) -> None:
    """Raises DataError for a file that is no text by its first bytes, unless its name says which compression that is."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    for mark, (what, suffix, instead) in PACKED.items():
        if start.startswith(mark) and path.suffix.lower() not in suffix:
            raise DataError(f"{path} is {what}, not text: {instead}")


def _marked_encoding(path: Path) -> str:
    """UTF-8, or what the file's first bytes say."""
    try:
        with pa.input_stream(path) as stream:
            return MARKS.get(stream.read(2), "utf8")
    except (OSError, pa.ArrowInvalid):
        # Reading it gives the error.
        return "utf8"


def _column(path: Path, name: str, values: pa.ChunkedArray) -> pd.Series:
    """A column in pandas: whole numbers stay whole where some are missing, and days are dates."""
    kind = values.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise DataError(f"{path} is no UTF-8 in the column {name!r}: {_ENCODINGS}")
    if pa.types.is_integer(kind) and values.null_count:
        return pd.Series(values.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        values = values.cast(pa.string())
    return tidied(name, pd.Series(values.to_pandas(date_as_object=False)))


def _nameless(values: pd.Series, place: int) -> bool:
    """Whether a column without a name holds nothing: a delimiter at the end of each line, or in front the index that pandas writes."""
    index = place == 0 and pd.api.types.is_integer_dtype(values.dtype) and (values == np.arange(len(values))).all()
    return bool(index or values.isna().all())


def _retyped(values: pd.Series, decimal: str | None) -> pd.Series:
    """Text that is numbers through and through, once spaces and what stands for missing are gone, as numbers."""
    there = values.dropna()
    if not len(there) or not all(isinstance(value, str) for value in there):
        return values
    plain = there.str.replace(decimal, ".", regex=False) if decimal else there
    if not plain.str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?").all():
        return values
    return pd.to_numeric(plain).reindex(values.index)


def _nth(number: int) -> str:
    return {1: "st", 2: "nd", 3: "rd"}.get(number if number < 20 else number % 10, "th")


def row_fault(message: str) -> str | None:
    """Arrow's message about a row of the wrong length in the words of a file; None where it is about something else."""
    if not (found := re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)(?:: (.*))?", message, flags=re.DOTALL)):
        return None
    row, expected, got, text = found.groups()
    shown = f" ({text.strip()[:60]!r} …)" if text else ""
    return f"{f'line {row}' if row else 'a line'} has {got} fields where there should be {expected}{shown}"


def _plain(error: Exception) -> str:
    if fault := row_fault(str(error)):
        return f"{fault}: fix that line, quote fields that hold the delimiter, or say another, such as delimiter=';'"
    return f"{str(error).splitlines()[0]}; fix the file"
