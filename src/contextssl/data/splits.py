"""Which items are held out: class by class, or person by person."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Shaped

from contextssl.errors import SettingsError
from contextssl.randomness import derive_seed

# The split of objects in poses that training never saw.
OOD = "ood"


def stratified_cut(labels: Int[np.ndarray, " n"], fraction: float, seed: int) -> Bool[np.ndarray, " n"]:
    """Which items to hold out: of each class the rounded ``fraction``, but at least one where it has two, and never all. The items of a class
    depend on the seed, the class and its count alone.
    """
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels).tolist():
        members = np.flatnonzero(labels == label)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        order = np.random.default_rng(derive_seed(seed, "validation", label)).permutation(len(members))
        held[members[order[:count]]] = True
    return held


def split_rows(
    labels: Int[np.ndarray, " n"], people: Shaped[np.ndarray, " n"] | None, val_fraction: float, test_fraction: float, seed: int
) -> Shaped[np.ndarray, " n"]:
    """``"train"``, ``"val"`` or ``"test"`` for each row: stratified by class, or, where ``people`` says whose row it is, with nobody in two splits.

    ``test_fraction`` is of all rows (people), 0 for no test split; ``val_fraction`` of what is left. Raises SettingsError for other shares.
    """
    for name, value, least in (("val_fraction", val_fraction, 1e-9), ("test_fraction", test_fraction, 0)):
        if not least <= value < 1:
            raise SettingsError(f"{name}={value}: it is a share of the rows, at least 0 and below 1 (val_fraction above 0)")
    units = np.arange(len(labels)) if people is None else np.unique(people, return_inverse=True)[1]
    classes = labels if people is None else np.zeros(units.max(initial=-1) + 1, np.int64)
    splits = np.full(len(classes), "train", dtype="<U5")
    for split, fraction in (("test", test_fraction), ("val", val_fraction)):
        left = splits == "train"
        if fraction:
            splits[np.flatnonzero(left)[stratified_cut(classes[left], fraction, derive_seed(seed, split))]] = split
    return splits[units]
