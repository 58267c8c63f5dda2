"""A checkpoint of ours as training writes it, made without training: seconds less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from contextssl import checkpoints
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.data.pairs import ViewPairs
from contextssl.training.run import fresh_model
from tests.evaluation.tiny import views_of
from tests.training.runs import tiny_settings


def content_of(settings: TrainSettings | None = None) -> dict[str, Any]:
    """What the checkpoint of a fresh model holds, with what Lightning needs to go on from it."""
    settings = settings or tiny_settings(n_layer=1, width=16, projection_dim=8, auxiliary_width=8)
    data = Data(
        ViewPairs(views_of(8, 5, "train")), ViewPairs(views_of(4, 5)), (3, 8, 8), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), {"path": "nowhere"}
    )
    model = fresh_model(settings, data, None)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return {
        "epoch": 1,
        "global_step": 3,
        "pytorch-lightning_version": "2.6.0",
        "loops": {},
        "callbacks": {},
        "optimizer_states": [
            {
                "state": {i: {"step": torch.tensor(3.0), "exp_avg": torch.zeros_like(p)} for i, p in enumerate(parameters)},
                "param_groups": [],
            }
        ],
        "lr_schedulers": [{}],
        "state_dict": {checkpoints.MODEL_PREFIX + key: value for key, value in model.state_dict().items()},
        checkpoints.RECIPE: checkpoints.recipe(model, settings, data, own_encoder=False),
    }


def write(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path
