"""An encoder that is not trained: what follows it is trained on features that were stored, or that a user brings."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.errors import InputError

# Of a number in half precision, relative to it.
ROUNDING = 2.0**-10


class FrozenEncoder(nn.Module):
    """Standardised features (n, F): of images by a fixed encoder, always in evaluation mode; of features, which pass by it, themselves.

    Args:
        encoder: from images (n, C, H, W) to features (n, F); None where features are all there is.
        width: F.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: nn.Module | None, width: int) -> None:
        super().__init__()
        self.encoder = None if encoder is None else encoder.eval().requires_grad_(False)
        self.num_features = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def standardise(self, mean: Float[Tensor, " F"], deviation: Float[Tensor, " F"]) -> None:
        """Sets by what features are reduced and divided; a number that varies less than half precision shows is only reduced."""
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > ROUNDING * mean.abs(), deviation, torch.ones_like(deviation)))

    def train(self, mode: bool = True) -> FrozenEncoder:
        super().train(mode)
        if self.encoder is not None:
            self.encoder.eval()
        return self

    def forward(self, views: Tensor) -> Float[Tensor, "n F"]:
        features = views if views.ndim == 2 else self.unstandardised(views)
        return (features.to(self.mean.dtype) - self.mean) / self.deviation

    @torch.no_grad()
    def unstandardised(self, images: Tensor) -> Float[Tensor, "n F"]:
        """Features as the encoder gives them: what is stored."""
        if self.encoder is None:
            raise InputError(f"this model takes features (n, {self.num_features}), and was never given an encoder of images")
        features: Tensor = self.encoder(images)
        return features

    def check(self, features: Tensor) -> None:
        """Raises InputError for features of another width, that are no floats, or not finite."""
        if features.shape[1] != self.num_features or not features.dtype.is_floating_point:
            raise InputError(f"features are {features.dtype} {tuple(features.shape)}: give floats (n, {self.num_features})")
        if not bool(features.isfinite().all()):
            raise InputError("features hold NaN or infinity: fix them before they reach the model")
