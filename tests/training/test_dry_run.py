"""Errors that would otherwise come after hours of packing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contextssl.config.settings import TrainSettings
from contextssl.errors import SettingsError
from contextssl.method import METHODS
from contextssl.training.dry_run import dry_run
from contextssl.training.run import train


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"backbone": "resnet1888"}, "unknown backbone 'resnet1888': did you mean 'resnet18'"),
        ({"backbone": "table_mlp"}, "backbone=table_mlp takes rows of a table"),
        ({"n_head": 7}, "width 2048 cannot be shared by n_head 7 heads"),
        ({"block_size": 7}, "block_size is 7: it counts tokens"),
        ({"env_ratio": {"hue": 1.0}}, "unknown environment 'hue'"),
        ({"env_ratio": [0.5, 0.1, 0.1]}, "env_ratio gives .*sum to 1"),
        ({"factors": ["rotation", "lights"]}, "lights"),
        ({"method": "equimod", "condition": "hue"}, "unknown environment 'hue'"),
        ({"dataset": "images", "data_dir": "photos", "factors": ["crop", "blurr"]}, "unknown augmentation 'blurr': did you mean 'blur'"),
        ({"dataset": "images", "data_dir": "photos", "crop_area": [0.9, 0.2]}, "crop"),
    ],
)
def test_nothing_is_packed_first(given: dict[str, Any], message: str, in_folder: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        train(TrainSettings(**{"dataset": "shapes", "run_dir": "run", **given}))
    assert list(in_folder.iterdir()) == []


def test_a_backbone_that_cannot_be_drawn_up_without_memory_is_left_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_numbers(name: str, **given: Any) -> Any:
        raise NotImplementedError(f"Cannot copy out of meta tensor {float(torch.zeros(1))}")

    monkeypatch.setattr("timm.create_model", reads_numbers)
    dry_run(TrainSettings(dataset="shapes", backbone="resnet18"))


@pytest.mark.parametrize("method", METHODS.built_in)
@pytest.mark.parametrize("given", [{"dataset": "shapes"}, {"dataset": "images", "factors": ["crop", "blur", "color"], "channels": 1}])
def test_what_can_be_passes_and_draws_nothing(method: str, given: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    dry_run(TrainSettings(method=method, resolution=32, **given))
    assert torch.equal(torch.get_rng_state(), before)
