from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.training.schedule import peak_learning_rate, warmup_cosine


def test_by_hand() -> None:
    assert warmup_cosine(0, 100, 10) == 0
    assert warmup_cosine(5, 100, 10) == 0.5
    assert warmup_cosine(10, 100, 10) == 1
    assert warmup_cosine(55, 100, 10) == pytest.approx(0.5)
    assert warmup_cosine(100, 100, 10) == pytest.approx(0)
    assert warmup_cosine(0, 100, 0) == 1
    assert peak_learning_rate(5e-5, 512) == 1e-4


@given(st.integers(1, 500), st.integers(0, 100))
def test_rises_then_falls(total: int, warmup: int) -> None:
    rates = [warmup_cosine(step, total, warmup) for step in range(total)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert all(a < b for a, b in pairwise(rates[:warmup]))
    assert all(a > b for a, b in pairwise(rates[warmup:]))
