from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from contextssl.config.settings import TrainSettings
from contextssl.config.validation import checked
from contextssl.data.published_latents import FACTORS
from contextssl.errors import InputError, SettingsError
from contextssl.models.build import build_model
from contextssl.models.contextssl import ContextSSL
from contextssl.models.encoder_width import check_encoder, output_shape


class Odd(nn.Module):
    """An encoder of 3 × 8 × 8 images whose output is not what it should be."""

    num_features = 12

    def __init__(self, kind: str = "right") -> None:
        super().__init__()
        self.kind = kind
        self.linear = nn.Linear(192, 24 if kind == "wide" else 12)

    def forward(self, images: Tensor) -> object:
        if self.kind == "fails":
            raise ValueError("no such axis\nand more lines")
        features = self.linear(images.flatten(1))
        return {
            "tuple": (features, features),
            "map": features[:, :, None, None],
            "one": features[:1],
            "whole": features.long(),
        }.get(self.kind, features)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("tuple", "the encoder Odd gives a tuple, not a tensor"),
        ("map", r"gives \(2, 12, 1, 1\), not \(2, 12\): pool or flatten"),
        ("wide", r"shape \(2, 24\), but its num_features .* is 12: set that to 24"),
        ("one", r"makes \(1, 12\) of 2 views"),
        ("whole", "gives torch.int64: features must be floats"),
        ("fails", r"fails on float views of shape \(2, 3, 8, 8\): ValueError: no such axis; it must"),
    ],
)
def test_an_encoder_that_is_not_what_it_says_is_one_line(kind: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        build_model(TrainSettings(), FACTORS, view_shape=(3, 8, 8), image_mean=None, image_std=None, encoder=Odd(kind))
    assert "\n" not in str(caught.value)


def test_a_sound_encoder_is_left_as_it_was() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.BatchNorm1d(12))
    encoder.num_features = 12  # type: ignore[assignment]
    encoder[2].eval()
    check_encoder(encoder, (3, 8, 8))
    assert [module.training for module in encoder.modules()] == [True, True, True, False]
    assert float(encoder[2].running_mean.abs().max()) == 0  # type: ignore[operator]


def test_a_model_built_by_hand_says_it_too() -> None:
    model = ContextSSL(Odd("wide"), FACTORS, width=16, n_layer=1, n_head=2, projection_dim=8, block_size=8)
    with pytest.raises(InputError, match="set that to 24"):
        model.encode(torch.randn(2, 3, 8, 8))


def test_the_output_of_huge_views_takes_no_memory() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4))
    assert output_shape(network, (3, 1 << 17, 1 << 17)) == (1, 4, 65535, 65535)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 0}, "width is 0: it must be at least 1"),
        ({"projection_dim": 0}, "projection_dim is 0"),
        ({"width": 30, "n_head": 4}, "width 30 cannot be shared by n_head 4"),
        ({"n_head": 0}, "n_head is 0"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"auxiliary_width": -1}, "auxiliary_width is -1"),
        ({"method": "simclr", "projection_dim": 0}, "projection_dim is 0"),
        ({"method": "byol", "projector_width": 0}, "projector_width is 0"),
        ({"method": "seq-jepa", "sequence_heads": 3}, "sequence_heads is 3: choose a divisor of"),
        ({"method": "seq-jepa", "sequence_layers": 0}, "sequence_layers is 0"),
    ],
)
def test_widths_that_cannot_be(given: dict[str, object], message: str) -> None:
    settings = TrainSettings(**{"width": 16, "n_layer": 1, "n_head": 2, "projection_dim": 8, "block_size": 8, **given})  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=message):
        build_model(checked(settings), FACTORS, view_shape=(3, 8, 8), image_mean=None, image_std=None, encoder=Odd())
