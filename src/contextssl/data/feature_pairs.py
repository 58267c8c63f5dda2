"""Pairs of features that a user lists, without any factor value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from contextssl.config.data_settings import DataSettings
from contextssl.data.brought_features import BroughtFeatures
from contextssl.data.dataset import Data
from contextssl.data.layout import SPLIT_ORDER
from contextssl.data.listed_pairs import ListedPairs, ListedViews
from contextssl.data.pair_list import PairList, read_pair_list
from contextssl.data.views import Views
from contextssl.digest import digest_of
from contextssl.factors import FactorSpace


def feature_pairs(brought: BroughtFeatures, list_file: Path, settings: DataSettings) -> Data:
    """The pairs of a list (:mod:`~contextssl.data.pair_list`) whose ``first`` and ``second`` name rows of the features. Rows that no pair names are
    left out.

    Raises:
        DataError: for what is wrong with the list, the first fault of it.
    """
    found = read_pair_list(list_file, known=dict.fromkeys(brought.names))
    split_of = found.with_splits(settings.val_fraction, settings.split_seed)
    there = [split for split in SPLIT_ORDER if (split_of == split).any()]
    pairs = {split: _listed(brought, found, np.flatnonzero(split_of == split)) for split in there}
    counts = {split: each.num_items for split, each in pairs.items()}
    description = {
        "path": str(brought.path.absolute()),
        "fingerprint": digest_of([[each.views.digest(), each.views.listed.tolist()] for each in pairs.values()]),
        "source": {"kind": "features", "kinds": list(found.kinds), "pairs": len(found.pairs), "items": counts},
    }
    return replace(Data(pairs["train"], pairs["val"], (brought.values.shape[1],), description=description), test=pairs.get("test"))


def _listed(brought: BroughtFeatures, found: PairList, members: np.ndarray) -> ListedPairs:
    """The pairs among some of the rows that a list names."""
    row_of = {name: row for row, name in enumerate(brought.names)}
    names = [found.images[member] for member in members]
    place = np.full(len(found.images), -1)
    place[members] = np.arange(len(members))
    inside = found.pairs[place[found.pairs[:, 0]] >= 0]
    listed = np.concatenate([place[inside[:, :2]], inside[:, 2:]], axis=1).astype(np.int64)
    features = brought.rows(np.array([row_of[name] for name in names]))[:, None]
    nothing = np.zeros((len(names), 1, 0), np.float32)
    views = Views(features, nothing, found.labels[members], FactorSpace(()), found.class_names, names)
    groups = np.unique(found.groups[members], return_inverse=True)[1].astype(np.int64)
    return ListedPairs(ListedViews.of(views, found.kinds, listed, groups))
