from __future__ import annotations

import pytest
import torch
from torch import nn

from contextssl.errors import SettingsError
from contextssl.models.encoder_width import feature_width
from contextssl.models.encoders import build_encoder


@pytest.mark.parametrize(
    ("backbone", "stem", "resolution", "width"),
    [
        ("resnet18", "default", 64, 512),
        ("resnet34", "default", 64, 512),
        ("resnet50", "default", 64, 2048),
        ("resnet18", "small", 32, 512),
        ("vit_tiny_patch16_224", "default", 64, 192),
        ("resnet_compact", "default", 32, 256),
    ],
)
def test_any_backbone_tells_its_width(backbone: str, stem: str, resolution: int, width: int) -> None:
    encoder = build_encoder(backbone, stem=stem, resolution=resolution).eval()
    assert feature_width(encoder) == width
    with torch.no_grad():
        assert encoder(torch.randn(2, 3, resolution, resolution)).shape == (2, width)


def test_a_small_stem_keeps_the_resolution() -> None:
    default, small = (build_encoder("resnet18", stem=stem, resolution=32).eval() for stem in ("default", "small"))
    x = torch.zeros(1, 3, 32, 32)
    assert small.forward_features(x).shape[-1] == 4  # type: ignore[operator]
    assert default.forward_features(x).shape[-1] == 1  # type: ignore[operator]


def test_a_flattened_map_tells_where_things_are() -> None:
    """Averaging removes a shift of the whole map, flattening does not; both take grey images."""
    encoder = build_encoder("resnet_compact", channels=1, resolution=64, pool="flatten").eval()
    assert encoder(torch.zeros(2, 1, 64, 64)).shape == (2, 256)
    with pytest.raises(RuntimeError):
        encoder(torch.zeros(2, 1, 32, 32))


def test_features_are_normalised_over_the_batch() -> None:
    encoder = build_encoder("resnet_compact", resolution=32, feature_norm="batch").train()
    features = encoder(torch.randn(64, 3, 32, 32))
    torch.testing.assert_close(features.mean(0), torch.zeros(256), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.var(0, unbiased=False), torch.ones(256), atol=2e-2, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet19"}, "unknown backbone 'resnet19': did you mean 'resnet18'"),
        ({"backbone": "???"}, "timm.list_models"),
        ({"backbone": "vit_tiny_patch16_224", "stem": "small"}, "stem=small is for ResNets"),
        ({"backbone": "resnet_compact", "pretrained": True}, "no pretrained weights"),
        ({"backbone": "resnet18", "stem": "tiny"}, "stem is 'tiny'"),
        ({"backbone": "resnet18", "pool": "max"}, "pool is 'max'"),
        ({"backbone": "resnet18", "feature_norm": "layer"}, "feature_norm is 'layer'"),
    ],
)
def test_encoders_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_encoder(**settings)  # type: ignore[arg-type]


def test_a_module_without_a_width_is_an_error() -> None:
    with pytest.raises(SettingsError, match="Linear has no num_features"):
        feature_width(nn.Linear(3, 4))


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50", "seresnet50"])
def test_residual_blocks_start_as_torchvisions(backbone: str) -> None:
    """Every normalisation has weight 1 and bias 0, the last of each block too."""
    encoder = build_encoder(backbone, resolution=32)
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 15
    assert all(bool((norm.weight == 1).all()) and bool((norm.bias == 0).all()) for norm in norms)


def test_a_head_with_a_hidden_layer_gives_the_width() -> None:
    """timm's num_features are the width before that layer."""
    encoder = build_encoder("mobilenetv3_small_050", resolution=32, feature_norm="batch").eval()
    with torch.no_grad():
        assert encoder(torch.randn(2, 3, 32, 32)).shape == (2, feature_width(encoder))
    assert feature_width(build_encoder("mobilenetv3_small_050", resolution=32)) == 1024
