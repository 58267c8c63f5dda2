"""A small model that was saved, and images to use it on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

import contextssl
from contextssl.checkpoints import CARRIED, RECIPE
from contextssl.models.by_examples import ByExamples
from contextssl.models.carried_views import CarriedViews
from contextssl.models.contextssl import ContextSSL
from tests.made_checkpoints import content_of, write
from tests.training.runs import tiny_settings

SIDE = 8


def saved(folder: Path, context: str = "examples", seed: int = 0) -> Path:
    """The checkpoint of a fresh model of 8 px; one of examples carries views."""
    content = content_of(tiny_settings(n_layer=1, width=16, projection_dim=8, auxiliary_width=8, block_size=16, context=context, seed=seed))
    if context == "examples":
        width = content[RECIPE]["feature_width"]
        noise = torch.Generator().manual_seed(0)
        factors = {name: torch.randn(6, 2, width, generator=noise) for name in ("rotation", "color")}
        content[RECIPE][CARRIED] = CarriedViews(factors, torch.randn(6, 2, width, generator=noise)).to_dict()
    return write(folder / f"{context}{seed}.ckpt", content)


def loaded(folder: Path, context: str = "examples", seed: int = 0) -> ContextSSL:
    model = contextssl.load(saved(folder, context, seed), device="cpu")
    assert isinstance(model, ByExamples) == (context == "examples")
    return model


def pixels(count: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """(count, side, side, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def as_tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images.copy()).permute(0, 3, 1, 2).contiguous()


def write_images(folder: Path, images: np.ndarray) -> list[Path]:
    """PNG files, named in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"image{number:03d}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths
