"""Our own small residual network for minutes on a CPU: a stem that brings any resolution to a map of 16 × 16, then three stages of one block."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# Of the stem, and of the three stages; the stage at the stem's resolution is omitted, for it would take more than half of the time.
WIDTHS = (32, 64, 128, 256)
# The side of the map that the stem makes of any image that is no smaller.
SIDE = 16


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions beside a 1 × 1 convolution, of stride 2. Names of weights are those of timm's and torchvision's networks."""

    def __init__(self, before: int, after: int, stride: int = 2) -> None:
        super().__init__()
        # The order of what is drawn is timm's.
        shortcut = None if stride == 1 else nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Float[Tensor, "n before h w"]) -> Float[Tensor, "n after h_ w_"]:
        made = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        made += self.downsample(x)
        return F.relu(made, inplace=True)


class CompactResNet(nn.Module):
    """Images (n, C, H, W) to features (n, 256), or with ``flatten`` to the final map (n, 256, h, w).

    A seed gives the weights that timm's ResNet of these widths draws, whose stem is then replaced: what it has beyond this one is drawn, and
    dropped. timm itself takes as long to load as torch.
    """

    num_features = WIDTHS[-1]

    def __init__(self, channels: int, resolution: int, flatten: bool) -> None:
        super().__init__()
        stem, *stages = WIDTHS
        half = stem // 2
        dropped = [nn.Conv2d(*ends, 3, bias=False) for ends in ((channels, half), (half, half), (half, stem))]
        self.bn1 = nn.BatchNorm2d(stem)
        dropped += _convolutions([ResidualBlock(stem, stem, stride=1)])
        blocks = [ResidualBlock(before, after) for before, after in pairwise(WIDTHS)]
        _draw([*dropped, *_convolutions(blocks)])
        for block in blocks:
            nn.init.zeros_(block.bn2.weight)
        stride = max(resolution // SIDE, 1)
        self.conv1 = nn.Conv2d(channels, stem, 2 * stride - 1, stride, padding=stride - 1, bias=False)
        _draw([self.conv1])
        self.maxpool = nn.Identity()
        self.layer2, self.layer3, self.layer4 = (nn.Sequential(block) for block in blocks)
        self.flatten = flatten
        self.side = -(-resolution // stride)
        for _ in stages:
            self.side = -(-self.side // 2)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one image of the resolution that it was built for."""
        return (1, self.num_features, self.side, self.side) if self.flatten else (1, self.num_features)

    def forward(self, images: Float[Tensor, "n C H W"]) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(images)), inplace=True))
        x = self.layer4(self.layer3(self.layer2(x)))
        return x if self.flatten else F.adaptive_avg_pool2d(x, 1).flatten(1)


def _convolutions(blocks: Iterable[nn.Module]) -> list[nn.Conv2d]:
    return [module for block in blocks for module in block.modules() if isinstance(module, nn.Conv2d)]


def _draw(convolutions: Iterable[nn.Conv2d]) -> None:
    """Initial weights (He et al., 2015), in order."""
    with torch.no_grad():
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
