"""A noise bottleneck on the embedding: it covers directions whose variance a context has shrunk.

An embedding from which a context has removed most of a factor's variance still lets a long-trained probe recover the factor from the remainder.
Gaussian noise whose total variance is a stated share of the embedding's own, spread evenly over the dimensions, covers it. How much of one factor
*any* probe can recover then is bounded by how far that factor moves the embedding (:mod:`contextssl.evaluation.certificate`). That holds for one
draw: n embeddings of the same view average the noise away.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.errors import InputError

# Weight of a new batch in the moving average of the variance, after the first 1 / MOMENTUM batches.
MOMENTUM = 0.01


class NoiseBottleneck(nn.Module):
    """Adds noise of a stated share of the embedding's total variance, which it tracks while training.

    The variance is that of the L2-normalised embedding about its mean, summed over dimensions. It is tracked over batches, since a single
    embedding has none; :meth:`observe` measures it for a model that came without (a published checkpoint).
    """

    variance: Tensor
    batches: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("variance", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def observe(self, z: Float[Tensor, "n D"]) -> None:
        """Track the total variance of normalised embeddings: the mean over the first batches, then an exponential moving average."""
        variance = z.float().var(dim=0, unbiased=False).sum()
        self.batches += 1
        weight = (1 / self.batches).clamp(min=MOMENTUM)
        self.variance.lerp_(variance, weight.to(variance.dtype))

    def forward(self, z: Float[Tensor, "*batch D"], share: float, generator: torch.Generator | None = None) -> Float[Tensor, "*batch D"]:
        """Normalised embeddings with noise of variance ``share`` × the tracked total, spread evenly over the D dimensions."""
        if share == 0:
            return z
        deviation = (share * self.variance / z.shape[-1]).sqrt().to(z.dtype)
        noise = torch.randn(z.shape, dtype=z.dtype, device=z.device, generator=generator)
        return z + deviation * noise

    def require_variance(self) -> None:
        """Raises InputError where no variance has been tracked, so that a share of it means nothing."""
        if int(self.batches) == 0:
            raise InputError(
                "this model has tracked no embedding variance, so a noise share of it is undefined: "
                "call model.measure_variance(images) on a few hundred images first"
            )
