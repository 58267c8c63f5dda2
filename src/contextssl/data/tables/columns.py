"""The columns of a table as numbers, and back: what a model needs to encode a row, kept in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float32

from contextssl import advice
from contextssl.data.tables.cells import DAY, EPOCH, as_days, as_numbers, as_words, is_dates, spellings, tidied
from contextssl.errors import DataError, SettingsError, nearest

Kind = Literal["category", "number"]
# Bins of a number's piecewise-linear code, at quantiles of the training rows (Gorishniy et al., 2022).
BINS = 16
# Categories kept of a column, the commonest; the rest are read as unknown.
MOST_CATEGORIES = 256
# A column of text with more categories than this, most of them seen once or twice, is an identifier or free text.
FEW_A_CATEGORY = 2.0
# Of a category that is missing or was not seen in training.
UNKNOWN = 0


@dataclass(frozen=True)
class Column:
    """One number of an encoded row. A ``"category"`` is its code, 1 to len(categories), 0 where it is missing or unknown; a ``"number"`` is
    standardised, the training mean where it is missing.
    """

    name: str  # of the column in the file
    kind: Kind
    categories: tuple[str, ...] = ()  # in words, code 1 first
    centre: float = 0.0  # of a number: its mean over the training rows
    scale: float = 1.0  # and its deviation
    edges: tuple[float, ...] = ()  # of a number: quantiles of the standardised training values, rising, for piecewise-linear codes
    missing: bool = False  # the column says only whether the number of the same name is missing (code 2) or there (code 1)
    date: bool = False  # the number counts days since 1970


@dataclass(frozen=True)
class Columns:
    """All columns of an encoded row, in order. A number that is missing in some training rows has a second column that says where.

    Example:
        >>> frame = pd.DataFrame({"age": [20.0, 40.0, None], "sex": ["Male", "Female", "Male"]})
        >>> columns = Columns.fit(frame)
        >>> columns.encode(frame).shape
        (3, 3)
        >>> columns.words(columns.encode(frame)[0])
        'age 20, sex Male'
    """

    columns: tuple[Column, ...]
    _places: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places: dict[str, tuple[int, ...]] = {}
        for index, column in enumerate(self.columns):
            places[column.name] = (*places.get(column.name, ()), index)
        object.__setattr__(self, "_places", places)

    def __len__(self) -> int:
        """W: how many numbers an encoded row holds."""
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the file's columns, in order."""
        return tuple(self._places)

    def places(self, name: str) -> tuple[int, ...]:
        """Where a column of the file lies in an encoded row; raises SettingsError for an unknown column, naming the nearest."""
        if name not in self._places:
            raise SettingsError(f"unknown column {name!r}: {nearest(name, self._places)}")
        return self._places[name]

    def __getitem__(self, name: str) -> Column:
        return self.columns[self.places(name)[0]]

    @classmethod
    def fit(cls, frame: pd.DataFrame, kinds: Mapping[str, Kind] | None = None) -> Columns:
        """Columns as the training rows, ``frame``, show them.

        Args:
            kinds: by column what it is, where that differs from :func:`inferred_kind`.

        Raises:
            DataError: for a column that is all missing, holds infinities, or looks like an identifier.
            SettingsError: for a kind given of a column that is not there, or a text column that is to be a number.
        """
        kinds = kinds or {}
        for name in kinds:
            if name not in frame:
                raise SettingsError(f"unknown column {name!r}: {nearest(name, map(str, frame.columns))}")
        found: list[Column] = []
        for name in map(str, frame.columns):
            values = tidied(name, frame[name])
            if bool(values.isna().all()):
                raise DataError(
                    f"the column {name!r} is missing in every training row: leave it out by {advice.named('drop_columns', [name])}"
                )
            kind = kinds.get(name) or inferred_kind(values)
            found += _number(name, values) if kind == "number" else [_category(name, values, chosen=name in kinds)]
        return cls(tuple(found))

    def encode(self, frame: pd.DataFrame) -> Float32[np.ndarray, "n W"]:
        """Rows of a table that has these columns (others are ignored), as inputs of the model: spaces around names and text are ignored, and a
        value is read as it was in training, whatever the other rows and whichever library read the table.

        Raises:
            DataError: naming the columns that are missing, or a number that is none.
        """
        there = {str(name).strip(): name for name in frame.columns}
        if absent := [name for name in self.names if name not in there]:
            raise DataError(f"the table lacks the columns {', '.join(absent)}: the model was trained with {', '.join(self.names)}")
        rows = np.empty((len(frame), len(self)), np.float32)
        for index, column in enumerate(self.columns):
            rows[:, index] = _encoded(column, frame[there[column.name]])
        return rows

    def summary(self) -> str:
        """How many columns of each kind there are, and which: to be checked before training."""
        parts = []
        for kind, plural in (("category", "categories"), ("number", "numbers")):
            if names := [name for name in self.names if self[name].kind == kind]:
                parts.append(f"{len(names)} read as {plural} ({', '.join(names)})")
        return f"{len(self.names)} columns: {'; '.join(parts)}"

    def words(self, row: np.ndarray, names: Iterable[str] | None = None) -> str:
        """An encoded row (W,) in words, or some of its columns."""
        return ", ".join(f"{name} {self._word(name, row)}" for name in (names if names is not None else self.names))

    def _word(self, name: str, row: np.ndarray) -> str:
        places = self.places(name)
        column, value = self.columns[places[0]], float(row[places[0]])
        if column.kind == "category":
            return column.categories[round(value) - 1] if round(value) != UNKNOWN else "unknown"
        if len(places) > 1 and round(float(row[places[1]])) == 2:
            return "missing"
        number = value * column.scale + column.centre
        return str((EPOCH + number * DAY).date()) if column.date else f"{number:.4g}"

    def to_list(self) -> list[dict[str, Any]]:
        """Plain values that go into checkpoints; :meth:`from_list` turns them back."""
        plain = [asdict(column) for column in self.columns]
        return [{name: list(value) if isinstance(value, tuple) else value for name, value in column.items()} for column in plain]

    @classmethod
    def from_list(cls, columns: Sequence[Mapping[str, Any]]) -> Columns:
        found = []
        for plain in columns:
            values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
            found.append(Column(**values))
        return cls(tuple(found))


def inferred_kind(values: pd.Series) -> Kind:
    """Numbers of more than two different values are numbers, and so are dates; everything else is a category."""
    if isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(values.dtype):
        return "category"
    return "number" if (pd.api.types.is_numeric_dtype(values.dtype) or is_dates(values)) and values.nunique() > 2 else "category"


def _encoded(column: Column, values: pd.Series) -> np.ndarray:
    if column.kind == "number":
        numbers = as_days(column.name, values) if column.date else as_numbers(column.name, values)
        # Divided first: a difference of the greatest numbers would have no place in a float.
        return np.nan_to_num(numbers / column.scale - column.centre / column.scale, nan=0.0)
    words = as_words(values)
    if column.missing:
        return np.where(words.isna(), 2, 1)
    codes = {name: code for code, name in enumerate(column.categories, 1)}
    distinct = words.dropna().unique()
    found = {each: next((codes[other] for other in (each, *spellings(each)) if other in codes), UNKNOWN) for each in distinct}
    return words.map(found).fillna(UNKNOWN).to_numpy(dtype=np.float64)


def _number(name: str, values: pd.Series) -> list[Column]:
    numbers = as_numbers(name, values)
    there = numbers[~np.isnan(numbers)]
    # Squares of numbers beyond 1e154 have no place in a float.
    top = float(np.abs(there).max()) or 1.0
    centre, scale = float((there / top).mean()) * top, float((there / top).std()) * top or 1.0
    edges = np.unique(np.quantile(there / scale - centre / scale, np.linspace(0, 1, BINS + 1)))
    if len(edges) < 2:
        edges = np.array([edges[0], edges[0] + 1.0])
    found = [Column(name, "number", centre=centre, scale=scale, edges=tuple(edges.tolist()), date=is_dates(values))]
    if len(there) < len(numbers):
        found.append(Column(name, "category", ("there", "missing"), missing=True))
    return found


def _category(name: str, values: pd.Series, chosen: bool) -> Column:
    counts = as_words(values).value_counts()
    if not chosen and is_identifier(counts):
        raise DataError(
            f"the column {name!r} has {len(counts):,} different texts in {int(counts.sum()):,} rows and looks like an identifier: "
            f"leave it out by {advice.named('drop_columns', [name])}, or keep it by {advice.named('categorical', [name])}"
        )
    # The commonest first; those that are as common as each other by the alphabet, so that a file in another order gives the same codes.
    order = sorted(counts.index, key=lambda word: (-int(counts[word]), word))
    return Column(name, "category", tuple(order[:MOST_CATEGORIES]))


def is_identifier(counts: pd.Series) -> bool:
    """Whether words of these counts are many and hardly ever come again."""
    return len(counts) > MOST_CATEGORIES and bool(counts.sum() / len(counts) < FEW_A_CATEGORY)
