"""The compact network is timm's ResNet of its widths: the same weights from a seed, under the same names, and the same features."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from contextssl.models.compact_resnet import CompactResNet
from contextssl.models.encoder_width import output_shape
from contextssl.models.encoders import build_encoder


def by_timm(channels: int, resolution: int, pool: str) -> nn.Module:
    from timm.models.resnet import BasicBlock, ResNet

    sizes: Any = {"channels": (32, 64, 128, 256), "stem_type": "deep", "stem_width": 16}
    options: Any = {"num_classes": 0, "in_chans": channels, "global_pool": "" if pool == "flatten" else "avg"}
    body: Any = ResNet(BasicBlock, (1, 1, 1, 1), **sizes, **options)  # type: ignore[arg-type]
    stride = max(resolution // 16, 1)
    body.conv1 = nn.Conv2d(channels, 32, 2 * stride - 1, stride=stride, padding=stride - 1, bias=False)
    nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
    body.maxpool, body.layer1 = nn.Identity(), nn.Identity()
    return body


@pytest.mark.parametrize("pool", ["average", "flatten"])
@pytest.mark.parametrize(("channels", "resolution"), [(3, 32), (1, 64), (3, 30), (3, 16), (3, 9)])
def test_a_seed_gives_the_weights_and_features_of_timms(channels: int, resolution: int, pool: str) -> None:
    torch.manual_seed(3)
    theirs: Any = by_timm(channels, resolution, pool)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    ours: Any = CompactResNet(channels, resolution, flatten=pool == "flatten")
    # What is drawn next is the same too.
    assert bool((state == torch.get_rng_state()).all())
    assert list(theirs.state_dict()) == sorted(ours.state_dict(), key=list(theirs.state_dict()).index)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=0, atol=0)
    for block in (ours.layer2[0], theirs.layer2[0]):
        nn.init.constant_(block.bn2.weight, 0.7)
    images = torch.rand(2, channels, resolution, resolution, generator=torch.Generator().manual_seed(0))
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pool", ["average", "flatten"])
@pytest.mark.parametrize("resolution", [1, 7, 16, 24, 32, 33, 64, 100])
def test_its_output_is_as_wide_as_it_says(resolution: int, pool: str) -> None:
    network = CompactResNet(3, resolution, flatten=pool == "flatten")
    assert output_shape(network, (3, resolution, resolution)) == network.output_shape


def test_a_small_stem_takes_the_place_of_its_own() -> None:
    encoder = build_encoder("resnet_compact", resolution=32, stem="small", pool="flatten").eval()
    assert encoder(torch.zeros(1, 3, 32, 32)).shape == (1, 256)
