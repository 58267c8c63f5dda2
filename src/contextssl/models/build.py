"""From settings to a model, the same way for a new run and for one that is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from contextssl.config.settings import ModelSettings, TrainSettings
from contextssl.errors import SettingsError
from contextssl.factors import FactorSpace
from contextssl.method import METHODS, Parts
from contextssl.models.baselines.baseline import Baseline
from contextssl.models.contextssl import ContextSSL
from contextssl.models.encoder_width import check_encoder, feature_width
from contextssl.models.encoders import build_encoder
from contextssl.models.frozen_encoder import FrozenEncoder
from contextssl.models.label_space import LabelSpace
from contextssl.models.view_encoder import ViewEncoder

if TYPE_CHECKING:
    from contextssl.data.tables.columns import Columns

TABLE_ENCODERS = ("table_mlp", "table_resnet")


def build_model(
    settings: TrainSettings,
    factors: FactorSpace,
    *,
    view_shape: Sequence[int],
    image_mean: Sequence[float] | None,
    image_std: Sequence[float] | None,
    columns: Columns | None = None,
    classes: int = 1,
    labels: LabelSpace | None = None,
    encoder: nn.Module | None = None,
) -> ViewEncoder:
    """The model of ``settings.method``, with the given encoder in place of ``settings.backbone`` where there is one.

    Args:
        view_shape: (C, H, W) of images, (W,) of rows of a table, which has ``columns``, (F,) of features.
        labels: that depend on the context, where a head is to learn them.

    Raises:
        SettingsError: for an unknown method, a backbone for another kind of view, and an encoder whose features are not what it says.
    """
    if encoder is not None:
        check_encoder(encoder, view_shape)
    elif columns is not None:
        encoder = build_table_encoder(settings, columns)
    elif len(view_shape) == 1:
        encoder = FrozenEncoder(None, view_shape[0])
    else:
        if settings.backbone in TABLE_ENCODERS:
            raise SettingsError(f"backbone={settings.backbone} takes rows of a table, and these views are images: use resnet18")
        encoder = build_encoder(
            settings.backbone,
            channels=view_shape[0],
            resolution=view_shape[1],
            stem=settings.stem,
            pool=settings.pool,
            feature_norm=settings.feature_norm,
            pretrained=settings.pretrained,
        )
    if settings.freeze and not isinstance(encoder, FrozenEncoder):
        encoder = FrozenEncoder(encoder, feature_width(encoder))
    method = METHODS.find(settings.method)
    statistics: dict[str, Any] = {"image_mean": image_mean, "image_std": image_std}
    parts = Parts(
        settings, encoder, feature_width(encoder), factors, classes=classes, labels=labels, own=method.own(settings), **statistics
    )
    if method.model is not None:
        return method.model(parts)
    return Baseline(encoder, factors, method.name, method.terms(parts), **statistics)


def in_context_model(parts: Parts, kind: Callable[..., ContextSSL] = ContextSSL, *, auxiliary: bool = True) -> ContextSSL:
    """An in-context model of the settings' sizes; ``auxiliary`` says whether a head regresses latents, which one without actions does not need, and
    listed pairs have none.
    """
    settings = parts.settings
    model = kind(
        parts.encoder,
        parts.factors,
        feature_width=parts.feature_width,
        auxiliary=auxiliary and parts.factors.has_values,
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
        image_mean=parts.image_mean,
        image_std=parts.image_std,
        labels=parts.labels,
        item_head=settings.weight_items > 0,
    )
    model.auxiliary_is_trained = settings.weight_equiv_loss > 0
    return model


def build_table_encoder(settings: ModelSettings, columns: Columns) -> nn.Module:
    """An encoder of rows. Raises SettingsError where the named backbone takes images."""
    if settings.backbone not in TABLE_ENCODERS:
        raise SettingsError(
            f"backbone={settings.backbone} takes images, and these views are rows of a table: use {' or '.join(TABLE_ENCODERS)}"
        )
    from contextssl.models.table_encoder import TableEncoder

    sizes = {"width": settings.encoder_width, "depth": settings.encoder_depth, "column_width": settings.column_width}
    return TableEncoder(columns, settings.backbone, **sizes, feature_norm=settings.feature_norm)
