"""Records in rows and columns: UCI Adult, MIMIC-III, and any CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contextssl.errors import DataError

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt", ".data")
# Tables of other programs, which are refused as tables.
OTHER = (
    *(".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".xlsm", ".ods", ".feather", ".arrow", ".orc", ".dta", ".sav", ".sas7bdat", ".rds"),
    ".pkl",
)


@contextmanager
def extra() -> Iterator[None]:
    """Around imports that tables need: raises DataError where what that needs is not installed."""
    try:
        yield
    except ImportError as error:
        raise DataError(
            f"tables need pandas, pyarrow and scikit-learn ({error.name} is missing): pip install 'contextssl[tables]'"
        ) from error


def is_table_file(path: Path) -> bool:
    """Whether a path is a table by its suffix, of a kind that is read here or not; text may be compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    return bool(suffixes) and (suffixes[-1] in (*PARQUET, *TEXT, *OTHER) or (len(suffixes) == 2 and suffixes[0] in TEXT))


def names_in(path: Path) -> set[str]:
    """The names of what lies in a folder, in small letters; empty for what is no folder."""
    return {each.name.lower() for each in path.iterdir()} if path.is_dir() else set()
