from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.evaluation.metrics import r2, r2_pooled, r2_pooled_floor, tied_places
from contextssl.evaluation.neighbours import knn_labels


def naive_r2(prediction: list[list[float]], target: list[list[float]], pooled: bool) -> float:
    columns = range(len(target[0]))
    if pooled:
        entries = [value for row in target for value in row]
        mean = sum(entries) / len(entries)
        total = sum((value - mean) ** 2 for value in entries)
        residual = sum((p - t) ** 2 for ps, ts in zip(prediction, target, strict=True) for p, t in zip(ps, ts, strict=True))
        return 1 - residual / total
    return sum(naive_r2([[row[c]] for row in prediction], [[row[c]] for row in target], True) for c in columns) / len(columns)


@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(1, 4))
def test_r2_is_the_loop(seed: int, n: int, d: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(n, d, generator=generator) + torch.arange(d)
    prediction = target + torch.randn(n, d, generator=generator)
    assert float(r2_pooled(prediction, target)) == pytest.approx(naive_r2(prediction.tolist(), target.tolist(), True), rel=1e-4)
    assert float(r2(prediction, target)) == pytest.approx(naive_r2(prediction.tolist(), target.tolist(), False), rel=1e-4)


def test_the_pooled_floor_is_not_zero_where_means_differ() -> None:
    target = torch.tensor([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]])
    # Entries have mean 6 and squares about it 36 + 25 + 16 + 16 + 25 + 36 = 154; a constant leaves 1 + 1 in each column.
    assert float(r2_pooled_floor(target)) == pytest.approx(1 - 4 / 154)
    assert float(r2(target.mean(0).expand(3, -1), target)) == pytest.approx(0)


def test_constant_targets_have_no_r2() -> None:
    constant = torch.full((7, 2), 0.1)
    assert math.isnan(float(r2_pooled(torch.randn(7, 2), constant)))
    assert math.isnan(float(r2(torch.randn(7, 2), constant)))


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 9))
def test_places_are_the_loop(seed: int, n: int, candidates: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 4, (n, candidates), generator=generator).float()  # few values: many ties
    correct = torch.randint(0, candidates, (n,), generator=generator)
    above, tied = tied_places(scores, correct)
    for row, own, before, same in zip(scores.tolist(), correct.tolist(), above.tolist(), tied.tolist(), strict=True):
        places = [place for place, score in enumerate(sorted(row, reverse=True), start=1) if score == row[own]]
        assert [before + 1, before + 1 + same] == [places[0], places[-1]]


def test_close_scores_are_ranked_in_float32() -> None:
    above, tied = tied_places(torch.tensor([[1.0, 1.001, 0.5]]), torch.tensor([0]))
    assert above.tolist() == [1] and tied.tolist() == [0]


def test_knn_by_hand() -> None:
    bank = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1])
    queries = torch.tensor([[2.0, 0.1], [0.1, 3.0]])
    assert knn_labels(bank, labels, queries, classes=2, k=1).tolist() == [0, 1]
    # All three vote; two far neighbours of class 0 weigh less than one near neighbour of class 1 at a low temperature.
    assert knn_labels(bank, labels, queries, classes=2, k=3, temperature=0.1).tolist() == [0, 1]
    assert knn_labels(bank, labels, queries, classes=2, k=20, temperature=100.0).tolist() == [0, 0]
