"""From a table to pairs: columns fitted to the training rows alone, rows encoded, views and their factors set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from contextssl.config.data_settings import TablesSettings
from contextssl.data.tables.cells import as_words
from contextssl.data.tables.columns import Columns, Kind
from contextssl.data.tables.corruption import Corruption, known, row_factors
from contextssl.data.tables.records_table import SPLITS, Table
from contextssl.data.tables.rows import Labels, RowPairs, RowViews
from contextssl.data.tables.suspect_columns import suspect_columns
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.randomness import derive_seed

PROXY_CHOICES = ("drop", "together", "keep")


@dataclass(frozen=True)
class OpenTable:
    """A table's splits as pairs, and the columns that a model needs to encode them."""

    pairs: Mapping[str, RowPairs]
    columns: Columns
    notes: tuple[str, ...]


def open_table(table: Table, settings: TablesSettings) -> OpenTable:
    """
    Raises:
        SettingsError: for settings that do not fit the table.
        DataError: for a factor with one value, or a column that cannot be read.
    """
    if settings.proxies not in PROXY_CHOICES:
        raise SettingsError(f"unknown proxies={settings.proxies!r}: {nearest(settings.proxies, PROXY_CHOICES)}")
    table = with_label_first(table, settings.label)
    frame = table.frame.drop(columns=[name for name in settings.drop_columns if name in table.frame])
    together: dict[str, list[str]] = {}
    for column, factor in table.proxies.items():
        if factor not in table.factors:
            raise SettingsError(f"proxy_columns: unknown factor {factor!r}: {nearest(factor, table.factors)}")
        if column in table.factors.values():
            raise SettingsError(f"proxy_columns names {column!r}, which is a factor itself")
        if settings.proxies == "drop":
            frame = frame.drop(columns=[column], errors="ignore")
        elif settings.proxies == "together" and column in frame:
            together.setdefault(factor, []).append(column)
    for column in table.factors.values():
        if column not in frame:
            raise SettingsError(f"drop_columns holds {column!r}, which is a factor")
    named = [*settings.categorical, *settings.numeric]
    if twice := [name for name in named if named.count(name) > 1]:
        raise SettingsError(f"the column {twice[0]!r} is named as categorical and as numeric: choose one")
    kinds: dict[str, Kind] = {**dict.fromkeys(settings.categorical, "category"), **dict.fromkeys(settings.numeric, "number")}
    found = suspect_columns(frame, kinds)
    if stopping := [suspect.message for suspect in found if suspect.stops]:
        raise DataError(f"the column {'; the column '.join(stopping)}")
    training = table.splits == "train"
    columns = Columns.fit(frame[training], kinds)
    encoded = torch.from_numpy(columns.encode(frame))
    there = known(encoded, columns, list(table.factors.values()))
    notes = [*table.notes, *(suspect.message for suspect in found)]
    if not bool(there.all()):
        notes.append(f"{int((~there).sum()):,} rows are dropped: a factor is missing in them, or has a value that no training row has")
    marginals = encoded[there & torch.from_numpy(training)]
    factors = row_factors(columns, table.factors, marginals, together)
    corruption = Corruption(columns, factors, marginals, settings.corruption, settings.swap_chance, settings.exact_chance)
    targets = {name: labels_of(table, name) for name in map(str, table.targets.columns)}
    pairs = {}
    for split in SPLITS:
        chosen = there.numpy() & (table.splits == split)
        if not chosen.any():
            continue
        if split != "test" and chosen.sum() < 2:
            raise DataError(f"the split {split!r} has one row: it needs at least two")
        own = {name: replace(labels, values=labels.values[chosen]) for name, labels in targets.items()}
        seed = derive_seed(0, "rows", split)
        people = None if table.people is None else np.unique(table.people[chosen], return_inverse=True)[1].astype(np.int64)
        pairs[split] = RowPairs(RowViews(encoded[torch.from_numpy(chosen)], own, corruption, settings.row_views, seed, people))
    return OpenTable(pairs, columns, tuple(notes))


def labels_of(table: Table, name: str) -> Labels:
    """A target's classes, in the order of the alphabet."""
    words = as_words(table.targets[name]).to_numpy(dtype=str)
    names, values = np.unique(words, return_inverse=True)
    return Labels(values.astype(np.int64), tuple(names.tolist()))


def with_label_first(table: Table, label: str | None) -> Table:
    """The same table with the named target as the class."""
    if label is None:
        return table
    if label not in table.targets:
        raise SettingsError(f"unknown label {label!r}: {nearest(label, map(str, table.targets.columns))}")
    return replace(table, targets=table.targets[[label, *(name for name in table.targets if name != label)]])
