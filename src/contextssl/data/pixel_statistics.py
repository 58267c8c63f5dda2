"""Mean and deviation of the pixels of each channel, exact: sums of integers, which no order of adding changes."""

from __future__ import annotations

import math

import numpy as np


def channel_sums(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and sum of squares of each channel, (C,) uint64 each, of (V, H, W, C) uint8 views. A column of at most 65,536 rows is summed in 32
    bits, which is twice as fast, and the rest in 64.
    """
    channels = pixels.shape[-1]
    sums, squares = np.zeros(channels, np.uint64), np.zeros(channels, np.uint64)
    for view in pixels:
        rows = view.reshape(view.shape[0], -1).astype(np.uint32)
        sums += rows.sum(axis=0, dtype=np.uint32).reshape(-1, channels).sum(axis=0, dtype=np.uint64)
        rows *= rows
        squares += rows.sum(axis=0, dtype=np.uint32).reshape(-1, channels).sum(axis=0, dtype=np.uint64)
    return sums, squares


def channel_statistics(sums: np.ndarray, squares: np.ndarray, pixels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel in [0, 1], from exact integer sums over items (n, C)."""
    means, deviations = [], []
    for total, square in zip(sums.T.tolist(), squares.T.tolist(), strict=True):
        s, q = sum(total), sum(square)
        means.append(s / pixels / 255)
        deviations.append(math.sqrt(pixels * q - s * s) / pixels / 255)
    return means, deviations
