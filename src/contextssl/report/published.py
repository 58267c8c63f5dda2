"""The paper's numbers that stand beside ours: Gupta et al., "In-Context Symmetries", NeurIPS 2024, arXiv 2405.18193.

All on 3DIEBench with a ResNet-18 at 128 px. R² is pooled, of relative latents, read from pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Method:
    """A row of figure 3, left: pooled R² of rotation and colour, top-1 accuracy (0 to 1)."""

    group: str
    name: str
    rotation: float
    color: float
    accuracy: float


METHODS = (
    Method("invariance", "SimCLR", 0.506, 0.148, 0.853),
    Method("invariance", "SimCLR+ (c = 0)", 0.478, 0.070, 0.834),
    Method("invariance", "SimCLR+", 0.247, 0.464, 0.423),
    Method("invariance", "VICReg", 0.371, 0.023, 0.763),
    Method("invariance", "VICReg+ (c = 0)", 0.356, 0.062, 0.733),
    Method("rotation", "EquiMod", 0.512, 0.097, 0.824),
    Method("rotation", "SIE", 0.671, 0.011, 0.773),
    Method("rotation", "SEN", 0.633, 0.055, 0.815),
    Method("rotation", "ContextSSL, rotation context", 0.744, 0.023, 0.804),
    Method("color", "EquiMod", 0.429, 0.859, 0.821),
    Method("color", "SIE", 0.304, 0.975, 0.703),
    Method("color", "SEN", 0.386, 0.949, 0.776),
    Method("color", "ContextSSL, colour context", 0.344, 0.986, 0.804),
)

# Table 1, retrieval among an object's 50 views under a rotation context: by context length, then two other methods.
RETRIEVAL: Mapping[str, Mapping[str, float]] = {
    "0": {"mrr": 0.240, "hit@1": 0.108, "hit@5": 0.366},
    "2": {"mrr": 0.270, "hit@1": 0.129, "hit@5": 0.412},
    "14": {"mrr": 0.373, "hit@1": 0.223, "hit@5": 0.541},
    "30": {"mrr": 0.396, "hit@1": 0.245, "hit@5": 0.561},
    "126": {"mrr": 0.402, "hit@1": 0.292, "hit@5": 0.568},
    "EquiMod": {"mrr": 0.16, "hit@1": 0.05, "hit@5": 0.22},
    "SEN": {"mrr": 0.17, "hit@1": 0.05, "hit@5": 0.22},
}
