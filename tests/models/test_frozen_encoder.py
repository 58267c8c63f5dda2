"""An encoder that is not trained, and features that pass it by."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from contextssl.data.published_latents import FACTORS
from contextssl.errors import InputError
from contextssl.models.contextssl import ContextSSL
from contextssl.models.frozen_encoder import FrozenEncoder


def model(encoder: nn.Module | None) -> ContextSSL:
    frozen = FrozenEncoder(encoder, 12)
    statistics: Any = {} if encoder is None else {"image_mean": (0.5,) * 3, "image_std": (0.25,) * 3}
    return ContextSSL(frozen, FACTORS, projection_dim=8, width=16, n_layer=1, n_head=2, block_size=8, auxiliary_width=16, **statistics)


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5))


def test_images_and_their_features_are_the_same_to_what_follows() -> None:
    made = model(convolutional()).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (9, 3, 8, 8), generator=generator, dtype=torch.uint8)
    frozen = made.encoder
    assert isinstance(frozen, FrozenEncoder)
    features = frozen.unstandardised(made.normalise(images))
    frozen.standardise(features.mean(0), features.std(0, correction=0))
    torch.testing.assert_close(made.encode(images), (features - features.mean(0)) / features.std(0, correction=0))
    torch.testing.assert_close(made.encode(features), made.encode(images))
    torch.testing.assert_close(made.embed(features), made.embed(images))
    torch.testing.assert_close(made.pair_features(images[:4], images[4:8]), made.pair_features(features[:4], features[4:8]))


def test_nothing_of_it_is_trained() -> None:
    made = model(convolutional()).train()
    before = {name: tensor.clone() for name, tensor in made.encoder.state_dict().items()}
    images = torch.randn(8, 3, 8, 8)
    optimizer = torch.optim.SGD([each for each in made.parameters() if each.requires_grad], lr=0.1)
    made(images[:4], images[4:], torch.randn(4, 6)).square().mean().backward()
    optimizer.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in made.encoder.state_dict().items()), "running statistics neither"
    assert not made.encoder.encoder.training and made.encoder.training  # type: ignore[union-attr]
    assert all(each.grad is None for each in made.encoder.parameters())
    torch.testing.assert_close(made.encoder(images), made.encoder(images), msg="no dropout")


def test_a_number_that_hardly_varies_is_only_reduced() -> None:
    frozen = FrozenEncoder(None, 3)
    frozen.standardise(torch.tensor([1.0, 100.0, 0.0]), torch.tensor([2.0, 0.01, 0.0]))
    assert frozen(torch.tensor([[3.0, 100.5, 1.0]])).tolist() == [[1.0, 0.5, 1.0]]


def test_features_alone() -> None:
    made = model(None)
    assert made.embed(torch.randn(5, 12)).shape == (5, 8)
    assert made.encode(torch.randn(5, 12, dtype=torch.float16)).dtype == torch.float32
    with pytest.raises(InputError, match=r"this model takes features \(n, 12\), and was never given an encoder of images"):
        made.encode(torch.randn(5, 3, 8, 8))


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (torch.randn(4, 11), r"features are torch.float32 \(4, 11\): give floats \(n, 12\)"),
        (torch.zeros(4, 12, dtype=torch.uint8), "features are torch.uint8"),
        (torch.full((4, 12), torch.nan), "features hold NaN or infinity"),
    ],
)
def test_what_are_no_features(features: torch.Tensor, said: str) -> None:
    for encoder in (None, convolutional()):
        with pytest.raises(InputError, match=said):
            model(encoder).encode(features)
