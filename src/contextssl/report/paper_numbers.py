"""The paper's numbers, shown next to ours: Gupta et al., "In-Context Symmetries", NeurIPS 2024, arXiv 2405.18193.

All on 3DIEBench with a ResNet-18 at 128 px. R² is pooled, of relative latents, by probes of pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from contextssl.method import METHODS, PublishedRow

SOURCE = "https://arxiv.org/abs/2405.18193"
SETTING = "3DIEBench, ResNet-18, 128 px, 1000 epochs"
LENGTHS = (0, 2, 14, 30, 126)

# Figure 3, right, read off the plot (± 0.002): by environment and factor.
CURVES: Mapping[tuple[str, str], tuple[float, ...]] = {
    ("rotation", "rotation"): (0.735, 0.740, 0.743, 0.743, 0.744),
    ("color", "rotation"): (0.735, 0.613, 0.390, 0.345, 0.344),
    ("rotation", "color"): (0.910, 0.664, 0.038, 0.023, 0.047),
    ("color", "color"): (0.910, 0.979, 0.986, 0.987, 0.986),
}


@cache
def figure3() -> tuple[PublishedRow, ...]:
    """Figure 3, left, in its order; each method holds its own rows."""
    return tuple(sorted((row for method in METHODS.all() for row in method.published), key=lambda row: row.place))


@cache
def table1() -> Mapping[str, Mapping[str, float]]:
    """Table 1, retrieval among an object's 50 views under a rotation context: by context length, then other methods; by metric."""
    return {name: row for method in reversed(list(METHODS.all())) for name, row in method.published_retrieval.items()}
