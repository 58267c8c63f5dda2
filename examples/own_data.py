"""Data and an encoder of one's own: views with known factors, and a module with a ``num_features``.

contextssl train dataset=own_data:data encoder_factory=own_data:encoder 'env_ratio={position:0.4,size:0.4,none:0.2}' env_per=sequence \
    epochs=80 warmup_epochs=4 log_interval=20 batch_size=128 pairs_per_item=4 block_size=32 eval_ctxt=[0,2,14] width=128 projection_dim=64 \
    init=fan_in auxiliary_width=0 auxiliary_scale=sqrt_width weight_equiv_loss=80 clamp_similarities=false bottleneck=0.5 \
    optimizer=adamw weight_decay=1e-2 learning_rate=4e-3 gradient_clip=1 run_dir=runs/mine
contextssl evaluate geometry runs/mine sensitivity_items=0 dataset=own_data:data encoder_factory=own_data:encoder
contextssl report runs/mine dataset=own_data:data encoder_factory=own_data:encoder

from the folder that this file is in: after 800 steps the embedding begins to depend on its context (more clearly after longer training). In
Python the same is contextssl.train(settings, data=data(), encoder=encoder()).
"""

from __future__ import annotations

import numpy as np
from torch import nn

from contextssl import Data, Factor, FactorSpace, ViewPairs, Views

SIDE, VIEWS = 24, 20
FACTORS = FactorSpace((Factor("position", 2), Factor("size", 1)))


def drawn(items: int, seed: int) -> Views:
    """Discs and squares, each in a colour of its own, seen at many positions and sizes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, items)
    latents = random.uniform(-1, 1, (items, VIEWS, 3)).astype(np.float32)  # x, y, size: what changes between the views of an item
    colours = random.uniform(80, 255, (items, 1, 1, 1, 3))
    across, down = np.meshgrid(np.linspace(-2, 2, SIDE), np.linspace(-2, 2, SIDE))
    x, y = across - latents[..., :1, None], down - latents[..., 1:2, None]
    radius = 0.6 + 0.3 * latents[..., 2:, None]
    disc, square = np.hypot(x, y) < radius, np.maximum(abs(x), abs(y)) < radius
    inside = np.where(labels[:, None, None, None] == 0, disc, square)[..., None]
    images = np.where(inside, colours, 20).astype(np.uint8)
    return Views(images, latents, labels, FACTORS, class_names=("disc", "square"), item_names=[f"{seed}-{i}" for i in range(items)])


def data() -> Data:
    train, val = drawn(300, seed=0), drawn(50, seed=1)
    mean, std = train.images.mean((0, 1, 2, 3)) / 255, train.images.std((0, 1, 2, 3)) / 255
    return Data(ViewPairs(train), ViewPairs(val), (3, SIDE, SIDE), tuple(map(float, mean)), tuple(map(float, std)))


def encoder() -> nn.Module:
    """(n, 3, 24, 24) → (n, 128)."""
    body = nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * 6 * 6, 128),
    )  # fmt: skip
    body.num_features = 128  # type: ignore[assignment]
    return body
