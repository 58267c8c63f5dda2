"""A small source of views for tests: seeded, smooth images whose pixels depend on the latents, of any factor space and size."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contextssl.data.pack import pack
from contextssl.data.published_latents import FACTORS, RAW_LATENTS, RAW_RANGES, absolute_latents
from contextssl.data.source import Item
from contextssl.data.store import Store, open_store
from contextssl.factors import FactorSpace


@dataclass(frozen=True)
class ToySource:
    """Items × views in memory, an :class:`~contextssl.data.source.ItemSource`.

    With the factors of 3DIEBench (the default) a view has its seven raw latents, drawn over their ranges. With any others the raw latents
    are the factor values themselves: random unit quaternions for a rotation, uniform numbers in [0, 1] for the rest.

    The image of a view is a sum of waves whose phases are a linear function of the latents and whose frequencies belong to the class, so
    that latents and class can both be learned from the pixels, at any resolution.
    """

    items: Mapping[str, int] = field(default_factory=lambda: {"train": 6, "val": 3})
    num_views: int = 4
    classes: int = 3
    channels: int = 3
    factors: FactorSpace = FACTORS
    seed: int = 0
    # So many poses × so many colours of each item, with the factors of 3DIEBench; then num_views is their product.
    grid: tuple[int, int] | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(f"kind{label}" for label in range(self.classes))

    @property
    def splits(self) -> dict[str, list[Item]]:
        return {
            split: [Item(f"kind{i % self.classes}/{split}_{i:03d}", i % self.classes) for i in range(count)]
            for split, count in self.items.items()
        }

    @property
    def published(self) -> bool:
        """Whether the raw latents are the seven of 3DIEBench."""
        return self.factors == FACTORS

    @property
    def raw_width(self) -> int:
        return len(RAW_LATENTS) if self.published else self.factors.width

    @property
    def description(self) -> dict[str, Any]:
        return {"kind": "toy", "seed": self.seed, "items": dict(self.items), "views": self.num_views}

    def raw(self, split: str, index: int) -> np.ndarray:
        """(V, R) float64."""
        generator = np.random.default_rng([self.seed, zlib.crc32(split.encode()), index])
        if self.published:
            low, high = np.array(RAW_RANGES).T
            if self.grid is not None:
                poses, colours = self.grid
                raw = generator.uniform(low, high, (poses * colours, len(RAW_LATENTS)))
                rows, columns = np.divmod(np.arange(len(raw)), colours)
                raw[:, :3], raw[:, [3, 6]] = raw[rows, :3], raw[columns][:, [3, 6]]
                return raw
            return generator.uniform(low, high, (self.num_views, len(RAW_LATENTS)))
        raw = generator.uniform(0, 1, (self.num_views, self.factors.width))
        for factor in self.factors.factors:
            if factor.relation == "rotation":
                quaternion = generator.standard_normal((self.num_views, 4))
                raw[:, self.factors.slice(factor.name)] = quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)
        return raw

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        raw = self.raw(split, index)
        latents = self.latents(raw).astype(np.float64)
        label = index % self.classes
        shared = np.random.default_rng([self.seed, 7])
        weights = shared.uniform(-3, 3, (self.channels, 3, self.factors.width))
        frequencies = np.random.default_rng([self.seed, 8, label]).uniform(1, 6, (self.channels, 3, 2))
        offset = np.random.default_rng([self.seed, 9, zlib.crc32(split.encode()), index]).uniform(0, 0.3, (self.channels, 3))
        y, x = np.mgrid[:resolution, :resolution] / resolution
        phase = np.einsum("cka,va->vck", weights, latents) + offset
        plane = np.einsum("ck,yx->ckyx", frequencies[..., 0], x) + np.einsum("ck,yx->ckyx", frequencies[..., 1], y)
        waves = np.sin(plane[None] + phase[..., None, None]).mean(axis=2)
        return np.moveaxis((127.5 + 127 * waves).astype(np.uint8), 1, -1).copy(), raw

    def latents(self, raw: np.ndarray) -> np.ndarray:
        return absolute_latents(raw) if self.published else np.asarray(raw, np.float32)


def toy_store(path: Path, source: ToySource | None = None, resolution: int = 16) -> Store:
    """A packed toy store at ``path``, open."""
    return open_store(pack(source or ToySource(), path, resolution, workers=0, progress=False))


def write_photos(folder: Path, count: int = 12, classes: tuple[str, ...] = ("cat", "dog"), side: int = 16) -> Path:
    """A folder of small images, one folder a class; a class of no name puts them at the top."""
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            coarse.resize((side, side + 3), Image.Resampling.BICUBIC).save(folder / name / f"{index}.png")
    return folder
