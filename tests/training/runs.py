"""The smallest run that is still whole: toy views, a linear encoder's worth of network, seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.data.pairs import ViewPairs
from tests.sources import ToySource, toy_store


def toy_data(path: Path, **source: Any) -> Data:
    """Toy views packed at ``path``, 8 px."""
    store = toy_store(path, ToySource(**{"items": {"train": 24, "val": 8}, "num_views": 6, **source}), resolution=8)
    return Data(
        ViewPairs(store["train"]), ViewPairs(store["val"]), store["train"].view_shape, store.image_mean, store.image_std, {"kind": "toy"}
    )


def tiny_settings(**given: Any) -> TrainSettings:
    settings: dict[str, Any] = {
        "dataset": "shapes",
        "resolution": 8,
        "backbone": "resnet_compact",
        "feature_norm": "batch",
        "projection_dim": 16,
        "width": 32,
        "n_layer": 2,
        "block_size": 8,
        "init": "fan_in",
        "auxiliary_width": 16,
        "auxiliary_scale": "sqrt_width",
        "env_per": "sequence",
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "warmup_epochs": 1,
        "log_interval": 2,
        "log_every_steps": 1,
        "eval_ctxt": [0, 2, 6],
        "val_pairs": 16,
        "accelerator": "cpu",
        "devices": 1,
        "precision": "32-true",
        "progress": False,
        **given,
    }
    return TrainSettings(**settings)
