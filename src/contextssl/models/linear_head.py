"""A linear head on normalised embeddings: it predicts what is wanted of the embedding alone, whatever the context."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class LinearHead(nn.Module):
    """(*batch, D = ``projection_dim``) normalised embeddings → (*batch, K = ``count``), by one linear map. Its input is √D × the unit embedding,
    whose numbers are of order one, as a freshly drawn layer expects (``auxiliary_scale="sqrt_width"`` of
    :class:`~contextssl.models.contextssl.ContextSSL`). It is not given the environment: only the embedding carries it.
    """

    def __init__(self, projection_dim: int, count: int) -> None:
        super().__init__()
        self.scale = projection_dim**0.5
        self.linear = nn.Linear(projection_dim, count)

    def forward(self, unit: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch K"]:
        return self.linear(self.scale * unit)
