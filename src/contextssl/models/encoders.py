"""Image encoders: any timm backbone by name, with what small images and small budgets need."""

from __future__ import annotations

import difflib
import math
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from contextssl.errors import SettingsError
from contextssl.models.compact_resnet import CompactResNet
from contextssl.models.encoder_width import output_shape

# Our own small residual network, see contextssl.models.compact_resnet.
COMPACT = "resnet_compact"


class ImageEncoder(nn.Sequential):
    """A backbone, then pooling and normalisation. Its output is the feature (n, ``num_features``)."""

    def __init__(self, *parts: nn.Module, num_features: int) -> None:
        super().__init__(*parts)
        self.num_features = num_features


def build_encoder(
    backbone: str = "resnet18",
    *,
    channels: int = 3,
    resolution: int = 128,
    stem: str = "default",
    pool: str = "average",
    feature_norm: str = "none",
    pretrained: bool = False,
) -> nn.Module:
    """An encoder (n, C, H, W) float → (n, F) float; F is its ``num_features``.

    Args:
        backbone: any timm model (weights only where ``pretrained``), or ``"resnet_compact"``.
        resolution: H = W of the images; it determines the width of a flattened map and the position grid of a transformer.
        stem: ``"small"`` puts a 3 × 3 convolution of stride 1 in place of a ResNet's stem and drops its max-pooling, for images near 32 px.
        pool: ``"average"`` over the final map, or ``"flatten"`` it through a linear layer, which keeps where things are.
        feature_norm: ``"batch"`` normalises features over the batch (no affine parameters): their scale then suits the predictor's read-in.

    Raises:
        SettingsError: for an unknown backbone (naming the nearest) or a combination that the backbone does not offer.
    """
    for name, value, allowed in (
        ("stem", stem, ("default", "small")),
        ("pool", pool, ("average", "flatten")),
        ("feature_norm", feature_norm, ("none", "batch")),
    ):
        if value not in allowed:
            raise SettingsError(f"{name} is {value!r}: use {' or '.join(map(repr, allowed))}")
    body: Any = _backbone(backbone, channels, resolution, pool, pretrained)
    if stem == "small":
        first = getattr(body, "conv1", None)
        if not isinstance(first, nn.Conv2d) or not hasattr(body, "maxpool"):
            raise SettingsError(f"stem=small is for ResNets (a conv1 and a maxpool); {backbone} has none: leave stem=default")
        _replace_stem(body, channels, first.out_channels, stride=1, size=3)
    width = int(body.num_features)
    parts: list[nn.Module] = [body]
    try:
        known = isinstance(body, CompactResNet) and stem == "default"
        made = body.output_shape if known else output_shape(body, (channels, resolution, resolution))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"{backbone} cannot read {channels} × {resolution} × {resolution} images: {reason}") from error
    if pool == "flatten":
        if len(made) != 4:
            raise SettingsError(f"pool=flatten needs a backbone with a final map; {backbone} gives {made}: use pool=average")
        parts += [nn.Flatten(), nn.Linear(math.prod(made[1:]), width)]
    elif len(made) != 2:
        raise SettingsError(f"backbone={backbone} gives {made} for an image, not one row of features: choose another")
    else:
        # The measured output counts: a backbone whose head has a hidden layer is wider there than its num_features say.
        width = made[1]
    if feature_norm == "batch":
        parts.append(nn.BatchNorm1d(width, affine=False))
    return body if len(parts) == 1 and width == body.num_features else ImageEncoder(*parts, num_features=width)


def _backbone(name: str, channels: int, resolution: int, pool: str, pretrained: bool) -> nn.Module:
    if name == COMPACT:
        if pretrained:
            raise SettingsError(f"{COMPACT} has no pretrained weights: leave pretrained=false")
        return CompactResNet(channels, resolution, flatten=pool == "flatten")
    # As long to load as torch itself: whoever needs none of its models does not wait for it. What it loads computes at once, which it may not do
    # without memory where the model is built so (torch.device("meta")): PyTorch 2.8 then fails.
    with torch.device("cpu"):
        import timm

    options: dict[str, Any] = {"num_classes": 0, "in_chans": channels, "global_pool": "" if pool == "flatten" else "avg"}
    if not timm.is_model(name.split(".")[0]):
        near = difflib.get_close_matches(name, [*timm.list_models(), COMPACT], n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"{COMPACT}, resnet18 and every name in timm.list_models() are known"
        raise SettingsError(f"unknown backbone {name!r}: {hint}")
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        options["img_size"] = resolution
    try:
        if not pretrained:
            # Freshly drawn residual networks start as torchvision's and the paper's: the last normalisation of a block with weight 1, not timm's
            # 0. An architecture without residual blocks of that kind does not have the argument.
            with suppress(TypeError):
                return timm.create_model(name, pretrained=False, zero_init_last=False, **options)
        return timm.create_model(name, pretrained=pretrained, **options)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise SettingsError(
            f"timm cannot build {name} for {channels} × {resolution} × {resolution} images with pool={pool}: {error}"
        ) from error


def _replace_stem(body: Any, channels: int, out: int, stride: int, size: int) -> None:
    """One convolution in place of a stem and its max-pooling."""
    body.conv1 = nn.Conv2d(channels, out, size, stride=stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
    body.maxpool = nn.Identity()
