"""Labels whose meaning depends on the context: (class, bin of the one factor that is active in the environment). Pure functions of tensors.

In a sequence of environment ``rotation`` a view's label is its class with a coarse value of its rotation; under ``color`` its class with a
coarse value of its colour. Both have the same indices, so which of the two is meant cannot be known from the view, but only from the context.

Idea: Gupta et al., "In-Context Symmetries", NeurIPS 2024, labels that depend on the context. That a label is a class and a bin is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.factors import Factor, FactorSpace

# The label of a view in whose environment no factor, or several, are active: it is ignored.
NO_LABEL = -1


def coarse_number(latents: Float[Tensor, "n w"], factor: Factor) -> Float[Tensor, " n"]:
    """The one number of a factor that its bins divide.

    Of a difference factor its first number (of ``color`` the floor's hue). Of a rotation 2 (xy + zw), the rotation matrix's entry in row y and
    column x: how far the object's x axis points along y. It is made of products of two quaternion numbers, so q and -q, one rotation, give the
    very same float; and unlike an angle of yaw it is smooth everywhere, with no jump at ±180° and no undefined value where yaw has none. With
    3DIEBench's poses (extrinsic xyz, each angle within ±90°) it is sin(euler z) · cos(euler y), whose sign is that of euler z. Raises
    SettingsError for a category, whose values have no order.
    """
    if factor.relation == "category":
        raise SettingsError(f"factor {factor.name!r} is a category: its values have no order to bin by; leave it out")
    if factor.relation == "rotation":
        x, y, z, w = latents.unbind(-1)
        return 2 * (x * y + z * w)
    return latents[:, 0]


def bin_edges(latents: Float[Tensor, "n w"], factor: Factor, bins: int = 2) -> tuple[float, ...]:
    """The ``bins`` - 1 inner quantiles of the factor's coarse number: as many of these latents in each bin. Raises SettingsError for fewer than
    two bins, or where a bin would be empty since the factor takes too few values.
    """
    if bins < 2:
        raise SettingsError(f"bins is {bins}: a label that depends on the context needs at least 2 per factor")
    number = coarse_number(latents, factor).cpu().numpy()
    # As float32, so that edges written to a file and read back divide the same latents in the same way.
    edges = tuple(np.quantile(number, np.arange(1, bins) / bins).astype(np.float32).tolist())
    filled = factor_bins(latents, factor, edges).bincount(minlength=bins)
    if bool((filled == 0).any()):
        raise SettingsError(f"factor {factor.name!r} takes too few values for {bins} bins: lower the number of bins, or leave it out")
    return edges


def factor_bins(latents: Float[Tensor, "n w"], factor: Factor, edges: Sequence[float]) -> Int[Tensor, " n"]:
    """Which bin each view's value of a factor falls in, by its own block of absolute latents and the rising edges of :func:`bin_edges`: 0 to
    len(edges), int64; a value at an edge belongs above it.
    """
    number = coarse_number(latents, factor)
    # Edges stay plain numbers: a tensor of them would have to be copied to the device in every step, which waits for it.
    bins = torch.zeros_like(number, dtype=torch.long)
    for edge in edges:
        bins = bins + (number >= edge)
    return bins


@dataclass(frozen=True)
class LabelSpace:
    """What the label indices mean: label = class × bins + bin, of the one factor that is active in the environment.

    Args:
        edges: by the name of a factor that can be asked for, the edges of its bins; as many for every factor.

    Example:
        >>> from contextssl.factors import COLOR, ROTATION
        >>> space = LabelSpace(FactorSpace((ROTATION, COLOR)), 3, {"rotation": (0.0,), "color": (0.5,)})
        >>> latents = torch.tensor([[0.0, 0.0, 0.6, 0.8, 0.1, 0.9]])  # turned by 74° about z, a low floor hue
        >>> for name in ("rotation", "color", "rotation+color"):
        ...     space.labels(latents, torch.tensor([2]), space.factors.mask(name)[None]).item()
        5
        4
        -1
    """

    factors: FactorSpace
    classes: int
    edges: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise SettingsError(f"classes is {self.classes}: a label space needs at least one")
        if not self.edges:
            raise SettingsError("a label space needs a factor whose bins can be asked for: name at least one")
        # Looked up by name, so that an unknown factor is an error.
        counts = {self.factors[name].name: len(edges) + 1 for name, edges in self.edges.items()}
        if len(set(counts.values())) > 1:
            several = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise SettingsError(f"the factors' bins share their label indices, so every factor needs as many: {several}")

    @classmethod
    def fit(
        cls, latents: Float[Tensor, "n A"], factors: FactorSpace, classes: int, *, bins: int = 2, names: Sequence[str] | None = None
    ) -> LabelSpace:
        """Edges at the quantiles of training latents, of the factors of these ``names`` (default: all). Raises SettingsError for an unknown
        factor, a category, or a factor of too few values; see :func:`bin_edges`.
        """
        chosen = factors.names if names is None else tuple(names)
        return cls(factors, classes, {name: bin_edges(latents[:, factors.slice(name)], factors[name], bins) for name in chosen})

    @property
    def names(self) -> tuple[str, ...]:
        """The factors that can be asked for, in the factor space's order."""
        return tuple(name for name in self.factors.names if name in self.edges)

    @property
    def bins(self) -> int:
        return len(next(iter(self.edges.values()))) + 1

    @property
    def count(self) -> int:
        """K: how many labels there are, classes × bins."""
        return self.classes * self.bins

    def labels(self, latents: Float[Tensor, "n A"], classes: Int[Tensor, " n"], active: Bool[Tensor, "n A"]) -> Int[Tensor, " n"]:
        """Each view's label in its environment, 0 to K - 1, by its absolute latents and class; -1 where no factor is active in it, several are, or
        one without bins.
        """
        factors = torch.stack([active[:, block].any(dim=-1) for block in self.factors.slices], dim=-1)
        alone = factors & (factors.sum(dim=-1, keepdim=True) == 1)
        labels = torch.full_like(classes, NO_LABEL, dtype=torch.long)
        for index, (factor, block) in enumerate(zip(self.factors.factors, self.factors.slices, strict=True)):
            if factor.name in self.edges:
                bins = factor_bins(latents[:, block], factor, self.edges[factor.name])
                labels = torch.where(alone[:, index], classes * self.bins + bins, labels)
        return labels

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint, without which a head's outputs mean nothing; :meth:`from_dict` turns them back."""
        edges = {name: list(edges) for name, edges in self.edges.items()}
        return {"factors": self.factors.to_dict(), "classes": self.classes, "edges": edges}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LabelSpace:
        edges = {name: tuple(edges) for name, edges in content["edges"].items()}
        return cls(FactorSpace.from_dict(content["factors"]), content["classes"], edges)


def context_label_loss(logits: Float[Tensor, "n *tokens K"], labels: Int[Tensor, " n"]) -> Float[Tensor, ""]:
    """Mean cross-entropy, in float32, over everything that has a label (-1: it has none); 0, with a gradient of 0, where nothing has.

    Of logits (pairs, 2, K) both tokens are given the pair's one label, that of its target view, as the auxiliary regression gives both the target's
    latents: one token stands for the target itself, the other for what is predicted of it.
    """
    if logits.ndim == 3:
        labels = labels[:, None].expand(logits.shape[:2])
    total = F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), ignore_index=NO_LABEL, reduction="sum")
    return total / (labels != NO_LABEL).sum().clamp(min=1)
