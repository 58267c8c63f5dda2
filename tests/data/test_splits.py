"""What is held out, by hand and by person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.splits import split_rows, stratified_cut
from contextssl.errors import SettingsError


def test_the_cut_by_hand() -> None:
    labels = np.array([0] * 100 + [1] * 2 + [2] + [3] * 10)
    for seed in range(5):
        held = stratified_cut(labels, 0.1, seed)
        assert np.bincount(labels[held], minlength=4).tolist() == [10, 1, 0, 1]
        assert np.array_equal(held, stratified_cut(labels, 0.1, seed))
    assert np.bincount(labels[stratified_cut(labels, 0.99, 0)]).tolist() == [99, 1, 0, 9]
    often = sum(stratified_cut(np.zeros(10, int), 0.2, seed).astype(int) for seed in range(400))
    assert np.all(np.abs(often - 80) < 40), "each item is held out one time in five"


@given(st.integers(0, 2**31), st.integers(20, 200), st.integers(5, 40))
def test_nobody_is_in_two_splits(seed: int, rows: int, people: int) -> None:
    whose = np.random.default_rng(seed).integers(0, people, rows)
    splits = split_rows(np.zeros(rows, int), whose, 0.2, 0.2, seed)
    assert set(splits) <= {"train", "val", "test"} and all(len(set(splits[whose == person])) <= 1 for person in range(people))
    assert np.array_equal(splits, split_rows(np.zeros(rows, int), whose, 0.2, 0.2, seed))


def test_rows_without_people_are_cut_class_by_class() -> None:
    labels = np.repeat([0, 1], [800, 200])
    splits = split_rows(labels, None, 0.1, 0.2, 0)
    counts = {split: np.bincount(labels[splits == split]).tolist() for split in ("train", "val", "test")}
    assert counts == {"test": [160, 40], "val": [64, 16], "train": [576, 144]}
    assert "test" not in split_rows(labels, None, 0.1, 0.0, 0)


@pytest.mark.parametrize(("val", "test", "name"), [(0.0, 0.2, "val_fraction"), (0.1, 1.0, "test_fraction"), (0.1, -0.1, "test_fraction")])
def test_shares_that_cannot_be(val: float, test: float, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}="):
        split_rows(np.zeros(10, int), None, val, test, 0)
