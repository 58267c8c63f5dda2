"""Factor values in words."""

from __future__ import annotations

import math

import numpy as np

from contextssl.factors import FactorSpace


def caption(factors: FactorSpace, latents: np.ndarray) -> str:
    """A view's factor values (A,) in words, such as ``rot 31° floor 0.63 light 0.58``. A rotation is shown as its angle from the identity, a
    category by its name, every other number by the first word of its component's.
    """
    words = []
    for factor in factors.factors:
        block = latents[factors.slice(factor.name)]
        if factor.relation == "rotation":
            short = "rot" if factor.name == "rotation" else factor.name
            words.append(f"{short} {math.degrees(2 * math.acos(min(1.0, abs(float(block[3]))))):.0f}°")
        elif factor.relation == "category":
            words.append(f"{factor.name} {factor.components[int(block.argmax())]}")
        else:
            words += [f"{name.split()[0]} {value:.2f}" for name, value in zip(factor.components, block.tolist(), strict=True)]
    return " ".join(words)
