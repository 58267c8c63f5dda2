"""Any CSV, TSV or Parquet file as a table: which column is the label, which are factors, whose row it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from contextssl.data.splits import split_rows
from contextssl.data.tables import OTHER, PARQUET, is_table_file
from contextssl.data.tables.cells import as_words, tidied
from contextssl.data.tables.parquet_file import read_parquet
from contextssl.data.tables.records_table import Table
from contextssl.data.tables.text_file import read_text
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.system.files import storage_error

# A label of more different values than this is a number to be regressed, which no probe here does.
MOST_CLASSES = 100


def read_file(path: Path, delimiter: str | None = None, decimal: str | None = None, encoding: str | None = None) -> pd.DataFrame:
    """The columns of a file; the words are of text files, see :func:`~contextssl.data.tables.text_file.read_text`. Raises DataError where it is
    missing, damaged, empty, or of another kind.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}: check the path")
    if path.suffix.lower() in PARQUET:
        try:
            frame = read_parquet(path)
        except OSError as error:
            raise storage_error(error, path, "read") from error
        if not len(frame):
            raise DataError(f"{path} has no rows")
        frame = frame.rename(columns=lambda name: str(name).strip()).reset_index(drop=True)
        if twice := [name for name, count in frame.columns.value_counts().items() if count > 1]:
            raise DataError(f"{path} has the column {twice[0]!r} twice: name each column once")
        return pd.DataFrame({name: tidied(name, frame[name]) for name in map(str, frame.columns)})
    if path.suffix.lower() in OTHER or not is_table_file(path):
        raise DataError(f"{path} is no CSV, TSV or Parquet file by its name: save the table as one (.csv, .tsv, .parquet)")
    return read_text(path, delimiter=delimiter, decimal=decimal, encoding=encoding)


def read_table(
    path: str | Path,
    *,
    label: str | None,
    factors: Sequence[str] | None,
    person: str | None = None,
    drop: Sequence[str] = (),
    proxies: Sequence[str] | Mapping[str, str] | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Table:
    """A file as a table. Rows whose label or factor is missing are dropped, and counted in the notes.

    Args:
        label: the column to be predicted; its values are classes.
        factors: the columns whose values are factors; a number is cut into four bands.
        person: the column that says whose row it is: the splits are then by person. It is no input of the model.
        proxies: columns that determine a factor's value; with several factors, the factor by column.
        delimiter, decimal, encoding: of a text file, see :func:`~contextssl.data.tables.text_file.read_text`.

    Raises:
        SettingsError: for a column that is unknown, or a label that is also a factor.
        DataError: for what is wrong with the file.
    """
    path = Path(path)
    frame = read_file(path, delimiter, decimal, encoding)
    given = proxies if isinstance(proxies, Mapping) else dict.fromkeys(proxies or (), (factors or [""])[0])
    if proxies and not isinstance(proxies, Mapping) and len(factors or ()) > 1:
        raise SettingsError("proxy_columns: with several factors say of which one, such as 'proxy_columns={title:sex}'")
    for what, names in (("label", [label]), ("factor", factors or []), ("person", [person]), ("column", drop), ("column", given)):
        for name in names:
            if name is not None and name not in frame:
                raise SettingsError(f"{path} has no column {name!r} for the {what}: {nearest(name, map(str, frame.columns))}")
    if label is None:
        raise SettingsError(f"no label is named: say which column is to be predicted, label=COLUMN (of {', '.join(frame.columns)})")
    if not factors:
        raise SettingsError(f"no factor is named: say which columns are factors, factors=[COLUMN] (of {', '.join(frame.columns)})")
    if label in factors:
        raise SettingsError(
            f"{label!r} is the label and a factor: what is to be predicted cannot be in the action; choose another of the two"
        )
    for name in (label, person, *factors):
        if name in drop:
            raise SettingsError(f"drop_columns holds {name!r}, which is the label, the person or a factor: name it in one place")
    notes = []
    for name in (label, *factors):
        if missing := int(frame[name].isna().sum()):
            notes.append(f"{missing:,} of {len(frame):,} rows are dropped, since {name} is missing in them")
            frame = frame[frame[name].notna()]
    frame = frame.reset_index(drop=True)
    labels = as_words(frame[label])
    if not len(frame) or labels.nunique() > MOST_CLASSES:
        raise DataError(f"the label {label!r} has {labels.nunique():,} different values: it must be a class; cut numbers into bands first")
    people = None if person is None else as_words(frame[person]).fillna("").to_numpy(dtype=str)
    codes = np.unique(labels.to_numpy(dtype=str), return_inverse=True)[1]
    splits = split_rows(codes, people, val_fraction, test_fraction, seed)
    return Table(
        frame=frame.drop(columns=[label, *([] if person is None else [person]), *drop]),
        factors={name: name for name in factors},
        targets=pd.DataFrame({label: labels}),
        splits=splits,
        proxies=given,
        description={
            "kind": "table",
            "path": str(path.resolve()),
            "bytes": path.stat().st_size,
            "label": label,
            "person": person,
            "dropped": list(drop),
            "val_fraction": val_fraction,
            "test_fraction": test_fraction,
            "seed": seed,
        },
        notes=tuple(notes),
        people=people,
    )
