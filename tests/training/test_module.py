from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from contextssl import checkpoints
from contextssl.errors import TrainingError
from contextssl.training.run import train
from tests.training.runs import tiny_settings, toy_data


class FiniteWithoutGradient(nn.Module):
    """|w| as √w² is 0 at 0, and its gradient is 0 / 0."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.w = nn.Linear(192, 12), nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1)) + self.w.square().sqrt()


def test_a_gradient_that_is_not_finite_is_not_stepped_by(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match="the loss or its gradient is not finite at step 0"):
        train(tiny_settings(run_dir=str(folder)), data=toy_data(tmp_path / "store"), encoder=FiniteWithoutGradient())
    saved = checkpoints.read(folder / "checkpoints" / "before-non-finite.ckpt")["state_dict"]
    assert all(bool(value.isfinite().all()) for value in saved.values()) and (folder / "before-non-finite.json").is_file()
