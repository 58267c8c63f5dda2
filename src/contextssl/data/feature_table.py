"""Features with a table that says of each row its item, class and factor values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int

from contextssl.config.data_settings import DataSettings
from contextssl.data.brought_features import NAME, BroughtFeatures
from contextssl.data.dataset import Data
from contextssl.data.layout import SPLIT_NAMES, SPLIT_ORDER, UNLABELLED
from contextssl.data.opened import saying
from contextssl.data.pairs import ViewPairs
from contextssl.data.splits import stratified_cut
from contextssl.data.tables.cells import as_numbers, as_words
from contextssl.data.tables.table_file import read_file
from contextssl.data.views import Views
from contextssl.digest import digest_of
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.factors import Factor, FactorSpace

ITEM, LABEL, SPLIT = "item", "label", "split"


@dataclass(frozen=True)
class _Rows:
    """What the table says of each row of the features: its item, its class, its split (``""`` for none), and its factors' numbers."""

    items: Int[np.ndarray, " R"]
    item_names: Sequence[str]
    labels: Int[np.ndarray, " R"]
    class_names: tuple[str, ...]
    splits: np.ndarray
    factors: FactorSpace
    latents: Float32[np.ndarray, "R A"]


def feature_table(brought: BroughtFeatures, table: Path | None, settings: DataSettings, progress: bool) -> Data:
    """Views of items with factor values, from the columns ``item``, and if wanted ``label``, ``split``, ``name``; every other column is a factor, or
    those that ``settings.factors`` names. A factor of several numbers has the columns ``NAME.0``, ``NAME.1``, …; words are categories. Numbers are
    scaled to mean 0 and deviation 1 over the training rows.

    Args:
        table: the file of the columns; None: those of the features' own file.

    Raises:
        DataError, SettingsError: for what is wrong with the table.
    """
    frame, where = _frame(brought, table, settings)
    rows = _read(frame, where, settings)
    split_of = _split_of_items(rows, where, settings)
    views_of = [np.flatnonzero(rows.items == item) for item in range(len(rows.item_names))]
    counts = np.array([len(views) for views in views_of])
    if counts.min() < 2:
        raise DataError(
            f"{where}: the item {rows.item_names[int(counts.argmin())]} has one row: pairs need two of each item; add some or remove it"
        )
    views = int(counts.min())
    if counts.max() > views:
        saying(progress)(
            f"note: items have {views} to {counts.max()} rows; the first {views} of each are used, so that all have equally many"
        )
    scaled = _scaled(rows, split_of[rows.items] == "train")

    def of(split: str) -> Views:
        items = np.flatnonzero(split_of == split)
        chosen = np.stack([views_of[item][:views] for item in items])
        return Views(
            brought.rows(chosen.reshape(-1)).reshape(*chosen.shape, -1),
            scaled[chosen],
            rows.labels[chosen[:, 0]],
            rows.factors,
            rows.class_names,
            [rows.item_names[item] for item in items.tolist()],
        )

    banks = {split: of(split) for split in SPLIT_ORDER if (split_of == split).any()}
    description = {
        "path": str(brought.path.absolute()),
        "fingerprint": digest_of([bank.digest() for bank in banks.values()]),
        "source": {"kind": "features", "items": {split: bank.num_items for split, bank in banks.items()}, "views": views},
    }
    pairs = {split: ViewPairs(bank) for split, bank in banks.items()}
    return Data(pairs["train"], pairs["val"], (brought.values.shape[1],), description=description, test=pairs.get("test"))


def _frame(brought: BroughtFeatures, table: Path | None, settings: DataSettings) -> tuple[pd.DataFrame, Path]:
    """The table in the order of the features, and where it is from."""
    if table is None:
        if brought.columns is None:
            raise DataError(
                f"{brought.path} holds features alone: say what they are of by path=FILE, a list of pairs or a table of factor values"
            )
        return brought.columns, brought.path
    frame = read_file(table, settings.delimiter, settings.decimal, settings.encoding)
    if NAME not in frame or not brought.named:
        if len(frame) != len(brought.values):
            raise DataError(
                f"{table} has {len(frame):,} rows for {len(brought.values):,} features: give each a row, in the same order, or names to both"
            )
        return frame, table
    by_name = frame.assign(**{NAME: frame[NAME].astype(str)}).drop_duplicates(NAME).set_index(NAME, drop=False)
    if missing := [name for name in brought.names if name not in by_name.index]:
        raise DataError(f"{table} has no row of the name {missing[0]}, as {brought.path} has: add it, or remove those features")
    return by_name.loc[[*brought.names]].reset_index(drop=True), table


def _read(frame: pd.DataFrame, where: Path, settings: DataSettings) -> _Rows:
    if ITEM not in frame:
        raise DataError(f"{where} has no column {ITEM}: it says which rows are views of one item")
    words = {name: _words(frame, name, where) for name in (ITEM, LABEL, SPLIT) if name in frame}
    item_names, items = np.unique(words[ITEM], return_inverse=True)
    classes, labels = np.unique(words.get(LABEL, np.full(len(frame), UNLABELLED)), return_inverse=True)
    splits = np.full(len(frame), "", dtype="<U5")
    for row, word in enumerate(map(str, words.get(SPLIT, ()))):
        if word.lower() not in SPLIT_NAMES:
            raise DataError(f"{where}, row {row}: unknown split {word!r}: {nearest(word.lower(), SPLIT_ORDER)}")
        splits[row] = SPLIT_NAMES[word.lower()]
    blocks = _factor_columns(frame, where, settings.factors)
    made = [_numbers(frame, name, columns, where) for name, columns in blocks.items()]
    factors, numbers = zip(*made, strict=True)
    latents = np.concatenate(numbers, axis=1).astype(np.float32)
    return _Rows(
        items.astype(np.int64), item_names.tolist(), labels.astype(np.int64), tuple(classes.tolist()), splits, FactorSpace(factors), latents
    )


def _words(frame: pd.DataFrame, name: str, where: Path) -> np.ndarray:
    words = as_words(frame[name])
    if words.isna().any():
        raise DataError(f"{where}, row {int(np.flatnonzero(words.isna())[0])}: {name} is missing; fill it in, or remove the row")
    return words.to_numpy(dtype=str)


def _factor_columns(frame: pd.DataFrame, where: Path, named: Sequence[str] | None) -> Mapping[str, list[str]]:
    """The columns of each factor: that of its name, or ``NAME.0``, ``NAME.1``, …."""
    found: dict[str, list[str]] = {}
    for column in map(str, frame.columns):
        if column not in (ITEM, LABEL, SPLIT, NAME):
            found.setdefault(re.sub(r"\.\d+$", "", column), []).append(column)
    if named is None:
        if not found:
            raise DataError(f"{where} has no column of factor values next to {', '.join(map(str, frame.columns))}: add one for each factor")
        return found
    for name in named:
        if name not in found:
            raise SettingsError(f"factors holds {name!r}, and {where} has no such column: {nearest(name, found)}")
    return {name: found[name] for name in named}


def _numbers(frame: pd.DataFrame, name: str, columns: list[str], where: Path) -> tuple[Factor, np.ndarray]:
    """A factor, and its numbers in each row: those of the columns, or one-hot of words."""
    if len(columns) == 1 and not pd.api.types.is_numeric_dtype(frame[columns[0]].dtype):
        words, codes = np.unique(_words(frame, columns[0], where), return_inverse=True)
        return Factor(name, len(words), "category", tuple(words.tolist())), np.eye(len(words))[codes]
    numbers = np.stack([as_numbers(column, frame[column]) for column in columns], axis=1)
    if np.isnan(numbers).any():
        raise DataError(f"{where}, row {int(np.argwhere(np.isnan(numbers))[0, 0])}: {name} is missing; fill it in, or remove the row")
    return Factor(name, len(columns), "difference", tuple(columns)), numbers


def _split_of_items(rows: _Rows, where: Path, settings: DataSettings) -> np.ndarray:
    """The split of each item: the table's, or a share of the items that is held out."""
    first = np.unique(rows.items, return_index=True)[1]
    splits = rows.splits[first]
    if (rows.splits != splits[rows.items]).any():
        row = int(np.flatnonzero(rows.splits != splits[rows.items])[0])
        raise DataError(f"{where}: the item {rows.item_names[rows.items[row]]} is in two splits: keep it in one")
    if splits[0] == "":
        if len(splits) < 3:
            raise DataError(f"{where} has {len(splits)} items: training and validation need three at least")
        held = stratified_cut(rows.labels[first], settings.val_fraction, settings.split_seed)
        if not held.any():
            # Every class has a single item.
            held = stratified_cut(np.zeros(len(first), np.int64), settings.val_fraction, settings.split_seed)
        splits = np.where(held, "val", "train")
    for split in ("train", "val"):
        if not (splits == split).any():
            raise DataError(f"{where}: no item is in the split {split}: put some there, or leave the column {SPLIT} out")
    return splits


def _scaled(rows: _Rows, trained: np.ndarray) -> Float32[np.ndarray, "R A"]:
    """Latents whose numbers have mean 0 and deviation 1 over the training rows; one-hot ones as they are."""
    latents = rows.latents.copy()
    for factor in rows.factors.factors:
        block = rows.factors.slice(factor.name)
        if factor.relation == "difference":
            mean, deviation = latents[trained, block].mean(axis=0), latents[trained, block].std(axis=0)
            latents[:, block] = (latents[:, block] - mean) / np.where(deviation > 0, deviation, 1)
    return latents
