"""Embeddings of images together with the images' names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.given_images import Given, Unreadable
from contextssl.errors import InputError
from contextssl.models.predictor import Context
from contextssl.system.progress import Meter

if TYPE_CHECKING:
    import pandas as pd

    from contextssl.models.view_encoder import ViewEncoder

# From so many images on progress is shown.
MANY = 1000


@dataclass(frozen=True)
class EmbeddedImages:
    """Embeddings (n, D) and the n names of their images; those that were left out, by name with the reason."""

    names: tuple[str, ...]
    vectors: Float[Tensor, "n D"]
    skipped: tuple[tuple[str, str], ...] = ()

    def table(self) -> pd.DataFrame:
        """A DataFrame with the columns ``name`` and ``embedding``. Raises InputError where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("a table needs pandas: pip install 'contextssl[tables]', or use model.embed") from error
        table = pd.DataFrame({"name": self.names, "embedding": list(self.vectors.float().cpu().numpy())})
        table.attrs["skipped"] = dict(self.skipped)
        return table


def embed_named(model: ViewEncoder, images: Given, context: Context | None, unreadable: Unreadable = "refuse") -> EmbeddedImages:
    """All images, embedded in a context. Arguments and errors as of
    :meth:`ViewEncoder.embed_chunks <contextssl.models.view_encoder.ViewEncoder.embed_chunks>`.
    """
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    parts = []
    given = model.given(images, unreadable=unreadable)
    total = given.count or 0
    with Meter("embedding", total, "images", show=total >= MANY) as meter:
        for chunk, z in model.embed_chunks(given, context):
            names += chunk.names
            skipped += chunk.skipped
            parts.append(z)
            meter.advance(len(chunk.names) + len(chunk.skipped))
    nothing = torch.zeros(0, model.projection_dim, device=model.device)
    return EmbeddedImages(tuple(names), torch.cat([nothing, *parts]), tuple(skipped))
