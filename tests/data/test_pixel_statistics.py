"""Exact sums, against the obvious numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.pixel_statistics import channel_statistics, channel_sums


def test_statistics_are_exact_for_extreme_images() -> None:
    pixels = np.full((3, 300, 300, 1), 255, np.uint8)
    pixels[0] = 0
    sums, squares = channel_sums(pixels)
    assert (int(sums[0]), int(squares[0])) == (180_000 * 255, 180_000 * 255**2)
    mean, std = channel_statistics(sums[None], squares[None], 270_000)
    assert mean == [pytest.approx(2 / 3)] and std == [pytest.approx(np.sqrt(2) / 3)]


@given(st.tuples(*[st.integers(1, 5)] * 5), st.integers(0, 2**31))
def test_statistics_of_items_are_those_of_all_their_pixels(shape: tuple[int, ...], seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    sums, squares = (np.stack(parts) for parts in zip(*(channel_sums(item) for item in images), strict=True))
    mean, std = channel_statistics(sums, squares, images[..., 0].size)
    flat = images.reshape(-1, shape[-1]) / 255
    np.testing.assert_allclose(mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, flat.std(0), rtol=1e-9, atol=1e-9)
