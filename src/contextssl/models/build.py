"""From settings to a model, the same way for a new run and for one that is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from contextssl.config.settings import ModelSettings
from contextssl.factors import FactorSpace
from contextssl.models.contextssl import ContextSSL
from contextssl.models.encoders import build_encoder


def build_model(
    settings: ModelSettings,
    factors: FactorSpace,
    *,
    image_shape: Sequence[int],
    image_mean: Sequence[float] | None,
    image_std: Sequence[float] | None,
    encoder: nn.Module | None = None,
) -> ContextSSL:
    """ContextSSL as the settings say, with the given encoder in the place of ``settings.backbone`` where there is one.

    Args:
        image_shape: (C, H, W).
    """
    if encoder is None:
        encoder = build_encoder(
            settings.backbone,
            channels=image_shape[0],
            resolution=image_shape[1],
            stem=settings.stem,
            pool=settings.pool,
            feature_norm=settings.feature_norm,
            pretrained=settings.pretrained,
        )
    return ContextSSL(
        encoder,
        factors,
        projection_dim=settings.projection_dim,
        width=settings.width,
        n_layer=settings.n_layer,
        n_head=settings.n_head,
        block_size=settings.block_size,
        mask_prob=settings.mask_prob if settings.random_mask else 0.0,
        init=settings.init,
        auxiliary_width=settings.auxiliary_width,
        auxiliary_scale=settings.auxiliary_scale,
        bottleneck=settings.bottleneck,
        image_mean=image_mean,
        image_std=image_std,
    )
