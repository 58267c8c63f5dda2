"""What a Parquet file declares, looked at before memory is taken: in a few kilobytes it may say that a value stands there a billion times."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contextssl.errors import DataError
from contextssl.system.files import readable_bytes, too_large

# Values of all columns at most, and so many for each byte of the file; letters of all words.
MOST_VALUES, VALUES_A_BYTE = 2**24, 8
MOST_LETTERS, LETTERS_A_BYTE = 2**28, 8
MOST_COLUMNS = 20_000
DAMAGE = (ValueError, NotImplementedError, KeyError, TypeError, OverflowError)


def read_parquet(path: Path) -> pd.DataFrame:
    """
    Raises:
        DataError: for a file that is damaged, or declares far more than it holds.
        OSError: where the system refuses it.
    """
    try:
        _check_declared(path)
        frame = pd.read_parquet(path)
    except DataError:
        raise
    except OSError as error:
        if error.errno is None:
            raise DataError(f"{path} is no Parquet file, or damaged: write it again") from error
        raise
    except MemoryError as error:
        raise too_large(path) from error
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is no Parquet file, or damaged ({reason}): write it again") from error
    return frame


def _check_declared(path: Path) -> None:
    size = path.stat().st_size
    with pq.ParquetFile(path) as file:
        about = file.metadata
        if about.num_columns > MOST_COLUMNS:
            raise DataError(f"{path} has {about.num_columns:,} columns, more than the {MOST_COLUMNS:,} that are read: it is no such table")
        groups = (about.row_group(number) for number in range(about.num_row_groups))
        values = sum(group.column(column).num_values for group in groups for column in range(about.num_columns))
        if max(values, about.num_rows) > MOST_VALUES + VALUES_A_BYTE * size:
            raise _made_to_exhaust(path, f"{max(values, about.num_rows):,} values", size)
        words = [field.name for field in file.schema_arrow if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    if not words:
        return
    # Each different word once.
    with pq.ParquetFile(path, read_dictionary=words) as file:
        letters = sum(_letters(chunk) for name in words for chunk in file.read(columns=[name]).column(name).chunks)
    if letters > MOST_LETTERS + LETTERS_A_BYTE * size:
        raise _made_to_exhaust(path, f"words of {letters:,} letters", size)


def _letters(chunk: pa.Array) -> int:
    if isinstance(chunk, pa.DictionaryArray):
        return int(pc.sum(pc.cast(pc.binary_length(chunk.dictionary), pa.int64()).take(chunk.indices)).as_py() or 0)
    return int(pc.sum(pc.binary_length(chunk)).as_py() or 0)


def _made_to_exhaust(path: Path, what: str, size: int) -> DataError:
    return DataError(f"{path} has {readable_bytes(size)} and declares {what}: it is damaged, or made to exhaust memory; write it again")
