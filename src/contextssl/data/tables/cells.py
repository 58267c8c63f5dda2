"""What a value of a table is: the same for training and for rows that are evaluated later, whichever library read the file.

A value's word depends on the value alone, never on other rows: 1, 1.0 and "1" are one category in any batch.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from contextssl import advice
from contextssl.errors import DataError

# What marks a missing value, in upper or lower case.
MISSING = frozenset(("", "?", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "-", "--", "."))
# Dates are counted in days from here.
EPOCH = pd.Timestamp("1970-01-01")
DAY = pd.Timedelta(days=1)
# Whole floats beyond this have no exact neighbours, and their digits mean nothing.
_EXACT = 2.0**63
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_TRUTH = {"true": ("True", "true", "TRUE", "1", "1.0"), "false": ("False", "false", "FALSE", "0", "0.0")}


def word(value: Any) -> str | None:
    """A value as the word of its category; None where it is missing."""
    if isinstance(value, str):
        stripped = value.strip()
        return None if stripped.lower() in MISSING else stripped
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float | np.floating | Decimal):
        # A float32's shortest digits, and not those of the float64 nearest to it.
        number = float(value) if isinstance(value, float | Decimal) else float(str(value))
        if math.isnan(number):
            return None
        return f"{number:.0f}" if number.is_integer() and abs(number) < _EXACT else repr(number)
    if isinstance(value, datetime.datetime):
        return str(value.date()) if value.time() == datetime.time() and value.tzinfo is None else value.isoformat(sep=" ")
    return str(value)


def as_words(values: pd.Series) -> pd.Series:
    """Category values as text: :func:`word` of each. Raises DataError for bytes, lists and mappings, which stand for no category."""
    kinds = {type(value) for value in values.astype(object)}
    for odd, what in (((bytes, bytearray), "bytes"), ((list, tuple, set, np.ndarray), "lists"), ((Mapping,), "mappings")):
        if any(issubclass(kind, odd) for kind in kinds):
            raise DataError(
                f"the column {values.name!r} holds {what}, not text or numbers: write it as text, or leave it out by "
                f"{advice.named('drop_columns', [str(values.name)])}"
            )
    return pd.Series([word(value) for value in values.astype(object)], index=values.index, name=values.name, dtype=object)


def spellings(found: str) -> Iterator[str]:
    """Other ways in which a category of this word may stand in a table: True for 1, 5.0 for 5, and the other way round."""
    if whole := _WHOLE.fullmatch(found):
        yield whole[1]
    if found.lstrip("+-").isdigit():
        yield f"{found}.0"
    for truth in _TRUTH.values():
        if found in truth:
            yield from (other for other in truth if other != found)


def as_numbers(name: str, values: pd.Series) -> Float64[np.ndarray, " n"]:
    """Float64 numbers, of dates the days since 1970, NaN where missing.

    Raises:
        DataError: naming the first value that is no finite number.
    """
    if is_dates(values):
        return as_days(name, values)
    there = values
    if not pd.api.types.is_numeric_dtype(values.dtype):
        there = as_words(values) if values.dtype != object else values.map(_plain, na_action="ignore")
    numbers = pd.to_numeric(there, errors="coerce")
    array = np.array(numbers.to_numpy(dtype=np.float64, na_value=np.nan))
    wrong = np.flatnonzero((np.isnan(array) & there.notna().to_numpy()) | np.isinf(array))
    if len(wrong):
        raise DataError(
            f"the column {name!r} holds {_shown(values, wrong)}, which is no finite number: fix it, leave the field empty, "
            f"or read the column as words by {advice.named('categorical', [name])}"
        )
    return array


def as_days(name: str, values: pd.Series) -> Float64[np.ndarray, " n"]:
    """Dates, whether read as such or as text of ISO 8601, as days since 1970, in UTC where they name a zone; NaN where missing.

    Raises:
        DataError: naming the first value that is no date.
    """
    there = values if is_dates(values) else as_words(values)
    moments = pd.to_datetime(there, errors="coerce", utc=True, format=None if is_dates(values) else "ISO8601")
    wrong = np.flatnonzero((moments.isna() & there.notna()).to_numpy())
    if len(wrong):
        raise DataError(f"the column {name!r} holds {_shown(values, wrong)}, which is no date such as 2024-11-25: fix it")
    return np.asarray((moments.dt.tz_localize(None) - EPOCH) / DAY, dtype=np.float64)


def is_dates(values: pd.Series) -> bool:
    """Whether a column was read as dates."""
    return bool(pd.api.types.is_datetime64_any_dtype(values.dtype))


def tidied(name: str, values: pd.Series) -> pd.Series:
    """A column, whichever library read it, in the few types that are distinguished here: numbers, truths, dates, and text without spaces around it.
    Durations are numbers of seconds.
    """
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return values.dt.total_seconds()
    if isinstance(values.dtype, pd.CategoricalDtype) or is_dates(values) or pd.api.types.is_numeric_dtype(values.dtype):
        return values
    kinds = {type(value) for value in values.dropna().astype(object)}
    if not kinds:
        return values
    if all(issubclass(kind, Decimal) for kind in kinds):
        return values.astype(float)
    if all(issubclass(kind, datetime.date) for kind in kinds):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    return as_words(values) if all(issubclass(kind, str) for kind in kinds) else values


def _plain(value: Any) -> Any:
    return word(value) if isinstance(value, str) else float(value) if isinstance(value, Decimal | bool | np.bool_) else value


def _shown(values: pd.Series, rows: np.ndarray) -> str:
    found = values.iloc[int(rows[0])]
    return f"{repr(found) if isinstance(found, str) else found} in row {int(rows[0]) + 1}"
