"""Embeddings in two dimensions, by principal components."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class FlatMap:
    """The plane of the two principal components of embeddings (n, D), which :meth:`places` projects on.

    A component's sign is that of its largest number, so the same embeddings give the same map.
    """

    centre: Float[Tensor, " D"]
    axes: Float[Tensor, "2 D"]
    scale: float

    @classmethod
    def of(cls, embeddings: Float[Tensor, "n D"]) -> FlatMap:
        centre = embeddings.mean(dim=0)
        axes = torch.linalg.svd(embeddings - centre, full_matrices=False).Vh[:2]
        # Of one view, or one number an embedding, there is no second component.
        axes = torch.cat([axes, axes.new_zeros(2 - len(axes), axes.shape[1])])
        largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
        axes = axes * torch.where(largest < 0, -1.0, 1.0)
        reach = float(((embeddings - centre) @ axes.T).norm(dim=1).max())
        return cls(centre, axes, 1 / reach if reach > 1e-9 else 0.0)

    def places(self, embeddings: Float[Tensor, "n D"]) -> Float[Tensor, "n 2"]:
        """Places on the map, within the unit circle for the embeddings that it was made of."""
        return (embeddings - self.centre) @ self.axes.T * self.scale
