"""Inputs of the published probes: features, embeddings and predictions of rows of a view set, one head per condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.trained_probes import STACK_BYTES
from contextssl.evaluation.view_sets import ViewSet


@dataclass(frozen=True)
class Inputs:
    """The same rows for each head, as the model gives them and at unit length, (heads, n, d)."""

    plain: Float[Tensor, "heads n d"]
    unit: Float[Tensor, "heads n d"]

    @classmethod
    def of(cls, plain: Float[Tensor, "heads n d"]) -> Inputs:
        return cls(plain, F.normalize(plain, dim=-1))

    @classmethod
    def concatenated(cls, source: Float[Tensor, "heads n d"], target: Float[Tensor, "heads n d"]) -> Inputs:
        """Of pairs: each end is normalised by itself."""
        plain = (source, target)
        return cls(torch.cat(plain, dim=-1), torch.cat([F.normalize(end, dim=-1) for end in plain], dim=-1))


@dataclass
class Represented:
    """A set of views in several conditions, one for each head: features (the one point None), or embeddings at context points.

    What fits into memory is computed once; larger sets are embedded batch by batch.
    """

    embedder: Embedder
    views: ViewSet
    points: Sequence[ContextPoint | None]
    _held: Tensor | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.features = self.embedder.features(self.views)
        width = self.features.shape[1] if None in self.points else self.embedder.model.projection_dim
        if 4 * width * len(self.views) * len(self.points) <= STACK_BYTES:
            held = torch.stack([self.embedder.representation(self.views, point, normalize=False) for point in self.points])
            self._held = held.to(self.embedder.device)

    def rows(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "heads n d"]:
        device = self.embedder.device
        if self._held is not None:
            return self._held[:, rows.to(device)]
        features = self.features[rows]
        return torch.stack([features if point is None else self.embedder.embed(features, point) for point in self.points]).to(device)


def predicted(
    embedder: Embedder, views: ViewSet, points: Sequence[ContextPoint], sources: Int[Tensor, " n"], actions: Float[Tensor, "n A"]
) -> Float[Tensor, "heads n d"]:
    """Predictions for rows of the views and actions at context points, one for each head."""
    features = embedder.features(views)[sources]
    return torch.stack([embedder.embed(features, point, actions) for point in points]).to(embedder.device)
