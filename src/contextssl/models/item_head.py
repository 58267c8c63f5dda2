"""A linear head that tells views of one item from those of others, whatever the context in which they were embedded."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

# Directions in which items may differ; few, so that the rest of the embedding is free for what the context keeps.
WIDTH = 32


class ItemHead(nn.Module):
    """(*batch, D) normalised embeddings → (*batch, W), by one linear map; only their directions count.

    Its input is √D × the unit embedding, whose numbers are of order one, as a freshly drawn layer expects.

    Args:
        projection_dim: D.
    """

    def __init__(self, projection_dim: int, width: int = WIDTH) -> None:
        super().__init__()
        self.scale = projection_dim**0.5
        self.linear = nn.Linear(projection_dim, width)

    def forward(self, unit: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch W"]:
        return self.linear(self.scale * unit)
