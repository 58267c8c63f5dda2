from __future__ import annotations

import pytest
import torch
from torch import nn

from contextssl.models.evaluation_mode import evaluation_mode
from tests.models.test_contextssl import images, small


def frozen_part() -> nn.Sequential:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout()).train()
    network[1].eval()
    return network


def flags(module: nn.Module) -> list[bool]:
    return [part.training for part in module.modules()]


def test_every_part_has_its_own_flag_again() -> None:
    network = frozen_part()
    with evaluation_mode(network):
        assert not any(flags(network))
    assert flags(network) == [True, True, False, True]


def test_also_on_an_exception() -> None:
    network = frozen_part()
    with pytest.raises(KeyError), evaluation_mode(network):
        raise KeyError
    assert flags(network) == [True, True, False, True]


def test_use_of_a_model_keeps_what_its_user_froze() -> None:
    model = small().train()
    model.encoder.eval()
    model.predictor.norm.eval()
    before = flags(model)
    context = model.context(images(2), torch.randn(2, 6), images(2), environment="rotation")
    model.embed(images(3), context)
    model.predict(images(3), torch.randn(3, 6), context)
    model.predictor.context(torch.randn(2, 2, 12), torch.randn(2, 6))
    assert flags(model) == before and not all(before)
    with pytest.raises(RuntimeError):
        model.encode(torch.zeros(2, 3, 9, 9, dtype=torch.uint8))
    assert flags(model) == before
