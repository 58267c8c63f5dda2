"""A user's own encoder and a data set of three factors go through training, with nothing but the public names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import contextssl
from contextssl import Data, Factor, FactorSpace, TrainSettings, ViewPairs, Views

FACTORS = FactorSpace((Factor("position", 2), Factor("size", 1), Factor("tint", 3)))


class MyEncoder(nn.Module):
    num_features = 24

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 48), nn.ReLU(), nn.Linear(48, 24))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def squares(items: int, seed: int) -> Views:
    """A tinted square somewhere on a dark ground; the class is the ground."""
    rng = np.random.default_rng(seed)
    labels = np.arange(items) % 2
    latents = rng.random((items, 5, 6), dtype=np.float32)
    images = np.zeros((items, 5, 8, 8, 3), np.uint8)
    for item in range(items):
        for view, (y, x, size, *tint) in enumerate(latents[item]):
            images[item, view] = 30 * labels[item]
            top, left, side = int(4 * y), int(4 * x), 2 + int(3 * size)
            images[item, view, top : top + side, left : left + side] = np.multiply(tint, 255).astype(np.uint8)
    return Views(images, latents, labels.astype(np.int64), FACTORS, ("dark", "grey"), [f"square {i}" for i in range(items)])


def test_my_own_encoder_and_three_factors(tmp_path: Path) -> None:
    data = Data(ViewPairs(squares(40, 0)), ViewPairs(squares(10, 1)), (3, 8, 8), (0.2, 0.2, 0.2), (0.3, 0.3, 0.3))
    settings = TrainSettings(
        epochs=2, batch_size=16, block_size=8, width=32, projection_dim=16, log_interval=1, warmup_epochs=1, accelerator="cpu", progress=False,
        env_ratio={"position": 0.25, "size": 0.25, "position+tint": 0.25, "none": 0.25}, output_dir=str(tmp_path), eval_ctxt=[0, 6],
    )  # fmt: skip
    run = contextssl.train(settings, data=data, encoder=MyEncoder())
    model = contextssl.load(run, encoder=MyEncoder())
    shown = data.train.draw(torch.arange(3), torch.Generator().manual_seed(0))
    context = model.context(shown.source, shown.action, shown.target, environment="position+tint")
    assert model.embed(shown.source, context).shape == (3, 16)
    assert model.predict(shown.source, shown.action, context).isfinite().all()
