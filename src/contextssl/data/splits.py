"""Which items are held out: class by class, or person by person."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Shaped

from contextssl.errors import SettingsError
from contextssl.randomness import derive_seed


def stratified_cut(labels: Int[np.ndarray, " n"], fraction: float, seed: int) -> Bool[np.ndarray, " n"]:
    """Which items to hold out: of each class the rounded ``fraction``, but at least one where it has two, and never all.

    The items of a class depend on the seed, the class and its count alone.
    """
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        order = np.random.default_rng(derive_seed(seed, "validation", label)).permutation(len(members))
        held[members[order[:count]]] = True
    return held


def split_rows(
    labels: Int[np.ndarray, " n"],
    people: Shaped[np.ndarray, " n"] | None,
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> Shaped[np.ndarray, " n"]:
    """``"train"``, ``"val"`` or ``"test"`` for each row: stratified by class, or, where ``people`` says whose row it is, with nobody in two splits.

    Args:
        test_fraction: of all rows (people); 0 for no test split.
        val_fraction: of what is left.
    """
    for name, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not (0 if name == "test_fraction" else 1e-9) <= value < 1:
            raise SettingsError(f"{name}={value}: it is a share of the rows, at least 0 and below 1 (val_fraction above 0)")
    splits = np.full(len(labels), "train", dtype="<U5")
    units, unit_of = (np.arange(len(labels)), np.arange(len(labels))) if people is None else np.unique(people, return_inverse=True)
    classes = labels if people is None else np.zeros(len(units), np.int64)
    left = np.ones(len(units), bool)
    for split, fraction, purpose in (("test", test_fraction, "test"), ("val", val_fraction, "val")):
        if fraction == 0:
            continue
        held = np.zeros(len(units), bool)
        held[left] = stratified_cut(classes[left], fraction, derive_seed(seed, purpose))
        splits[held[unit_of]] = split
        left &= ~held
    return splits
