"""Columns of a table that look like something else than they would be read as: reported before a model learns from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contextssl import advice
from contextssl.data.tables.cells import as_words, tidied
from contextssl.data.tables.columns import MOST_CATEGORIES, inferred_kind, is_identifier

# With fewer rows all values may differ by chance.
FEW_ROWS = 20
# Different numbers in text, from which they are taken for a quantity and not for codes or grades.
QUANTITY = 20
# Of the different texts of a column, the share that reads as numbers.
MOSTLY = 0.9
_IDENTIFIER = re.compile(r"(^|[^a-z])(id|ids|key|index|idx|uuid|guid|rownum|row|no|nr|number|serial)$|[a-z](Id|ID|Key)$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# A number as people write it: with a currency or per cent, thousands set apart, a comma before the decimals.
_WRITTEN = re.compile(r"[+-]?[$€£¥]?\s?[+-]?(\d{1,3}([., ’'\u00a0\u202f]\d{3})+|\d+)([.,]\d+)?\s?([$€£¥%]|EUR|USD|GBP|CHF)?")


@dataclass(frozen=True)
class Suspect:
    """Something odd about a column."""

    column: str  # its name
    message: str  # what is odd, and what to do
    stops: bool  # True where a model that read it as it is would learn something else than meant


def suspect_columns(frame: pd.DataFrame, kinds: Mapping[str, object] | None = None) -> list[Suspect]:
    """What is odd about the columns of a table, of all its rows in the file's order; those in ``kinds``, which the user chose, are not doubted."""
    found: list[Suspect] = []
    for name in map(str, frame.columns):
        values = tidied(name, frame[name])
        if bool(values.isna().all()):
            message = f"{name} is missing in every row: leave it out by {advice.named('drop_columns', [name])}"
            found.append(Suspect(name, message, stops=True))
        elif name not in (kinds or {}):
            found += _of_numbers(name, values) if inferred_kind(values) == "number" else _of_words(name, values)
    return found


def _of_numbers(name: str, values: pd.Series) -> Iterator[Suspect]:
    """A number that is another in every row may count the rows, or name them."""
    there = values.dropna()
    if not pd.api.types.is_numeric_dtype(values.dtype) or len(there) < max(FEW_ROWS, len(values)) or there.nunique() < len(there):
        return
    numbers = there.to_numpy(dtype=np.float64)
    if not (numbers == np.round(numbers)).all():
        return
    counts = numbers.max() - numbers.min() + 1 == len(numbers)
    stops = bool(counts or _IDENTIFIER.search(name.strip()))
    what, left_out = "counts the rows" if counts else "is another whole number in every row", advice.named("drop_columns", [name])
    message = f"{name} {what}: if it names the rows, leave it out by {left_out}"
    if stops:
        message = (
            f"{name} {what} ({numbers.min():.0f} to {numbers.max():.0f}) and looks like an index or identifier, which says a row's place in the "
            f"file: leave it out by {left_out}, or keep it by {advice.named('numeric', [name])}"
        )
    yield Suspect(name, message, stops)


def _of_words(name: str, values: pd.Series) -> Iterator[Suspect]:
    counts = as_words(values).value_counts()
    left_out, kept = advice.named("drop_columns", [name]), advice.named("categorical", [name])
    odd_texts = [text for text in counts.index if not _NUMBER.fullmatch(text)]
    written = [text for text in odd_texts if _WRITTEN.fullmatch(text)]
    others = [text for text in odd_texts if not _WRITTEN.fullmatch(text)]
    if len(counts) > QUANTITY and len(counts) - len(others) >= MOSTLY * len(counts) and not pd.api.types.is_numeric_dtype(values.dtype):
        odd = ", ".join(repr(text) for text in (written or others)[:3])
        fix = f"leave those fields ({int(counts[others].sum()):,} rows) empty"
        if written:
            fix = "write plain numbers with a point, or say decimal=, where commas stand before the decimals"
        message = f"{name} holds numbers, but also {odd}, so it would be read as {len(counts):,} categories: {fix}; or keep it by {kept}"
        yield Suspect(name, message, stops=True)
    elif is_identifier(counts):
        yield Suspect(name, f"{name} looks like an identifier: leave it out by {left_out}, or keep it by {kept}", stops=True)
    elif len(counts) > MOST_CATEGORIES:
        unread = 1 - counts.iloc[:MOST_CATEGORIES].sum() / counts.sum()
        message = (
            f"{name} has {len(counts):,} categories, of which the {MOST_CATEGORIES} commonest are kept: {100 * unread:.0f} % of its rows are read as "
            f"unknown; put rare ones together in the file, or leave it out by {left_out}"
        )
        yield Suspect(name, message, stops=False)
