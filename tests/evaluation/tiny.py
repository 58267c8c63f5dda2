"""Small models and views for the tests of evaluation."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from contextssl.data.published_latents import FACTORS as FACTORS
from contextssl.data.views import Views
from contextssl.evaluation.disturbances import EncodedPairs
from contextssl.models.contextssl import ContextSSL
from tests.sources import ToySource

SIZE = 8


def tiny_model(seed: int = 0, block_size: int = 16, size: int = SIZE, kind: type[ContextSSL] = ContextSSL) -> ContextSSL:
    """A linear encoder and a small predictor, of seeded weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, 12))
        return kind(
            encoder,
            FACTORS,
            feature_width=12,
            projection_dim=8,
            width=16,
            n_layer=2,
            n_head=2,
            block_size=block_size,
            init="fan_in",
            auxiliary_width=16,
            image_mean=(0.5, 0.5, 0.5),
            image_std=(0.25, 0.25, 0.25),
        ).eval()


def views_of(
    items: int = 6, views: int = 5, split: str = "val", size: int = SIZE, seed: int = 0, grid: tuple[int, int] | None = None
) -> Views:
    """Toy views in memory; of a grid of poses × colours where one is given."""
    source = ToySource({split: items}, num_views=views if grid is None else grid[0] * grid[1], seed=seed, grid=grid)
    read = [source.read(split, index, size) for index in range(items)]
    return Views(
        images=np.stack([images for images, _ in read]),
        latents=np.stack([source.latents(raw) for _, raw in read]),
        labels=np.array([item.label for item in source.splits[split]]),
        factors=FACTORS,
        class_names=source.class_names,
        item_names=[item.name for item in source.splits[split]],
        raw_latents=np.stack([raw for _, raw in read]),
    )


def encoded(count: int, seed: int, items: int = 9) -> EncodedPairs:
    """Pairs whose features and actions tell where they come from."""
    generator = torch.Generator().manual_seed(seed)
    of = torch.randint(items, (count, 1), generator=generator).expand(count, 2)
    return EncodedPairs(torch.randn(count, 2, 12, generator=generator), torch.randn(count, 6, generator=generator), of)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
