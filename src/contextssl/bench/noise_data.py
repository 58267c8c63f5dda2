"""Data of the right shape to measure with: what is in the pictures does not change the time of a step."""

from __future__ import annotations

import numpy as np

from contextssl.data.dataset import Data
from contextssl.data.pairs import ViewPairs
from contextssl.data.published_latents import FACTORS, RAW_RANGES, absolute_latents
from contextssl.data.views import Views

# Of the images of noise, of each channel.
MEAN, STD = (0.5, 0.5, 0.5), (0.29, 0.29, 0.29)


def noise_data(items: int, views: int, resolution: int, seed: int = 0) -> Data:
    """Images of noise with the factors of 3DIEBench."""
    generator = np.random.default_rng(seed)
    low, high = np.array(RAW_RANGES).T
    latents = absolute_latents(generator.uniform(low, high, (items, views, len(low))))
    images = generator.integers(0, 256, (items, views, resolution, resolution, 3), dtype=np.uint8)
    held = Views(images, latents, np.arange(items) % 5, FACTORS, tuple("abcde"), [str(item) for item in range(items)])
    return Data(ViewPairs(held), ViewPairs(held), held.view_shape, MEAN, STD, {"fingerprint": f"noise {items} {views} {resolution} {seed}"})
