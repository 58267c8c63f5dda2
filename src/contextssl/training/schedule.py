"""The learning rate over training."""

from __future__ import annotations

import math


def warmup_cosine(step: int, total_steps: int, warmup_steps: int) -> float:
    """The share of the peak learning rate at ``step`` (0-based): a linear rise from 0, then half a cosine to 0 (Loshchilov & Hutter, 2017)."""
    if step < warmup_steps:
        return step / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(total_steps - warmup_steps, 1)))


def peak_learning_rate(learning_rate: float, batch_size: int) -> float:
    """The paper's linear scaling: ``learning_rate`` is stated for 256 pairs per batch."""
    return learning_rate * batch_size / 256
