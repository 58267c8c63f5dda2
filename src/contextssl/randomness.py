"""Seeded generators, one for every use: a draw depends on the seed and on what it is for, never on what was drawn before it.

So a run that is resumed in the middle, or spread over more processes, draws what the undisturbed run would have drawn: items, views, augmentations'
parameters, corruptions, environments, context masks and the bottleneck's noise are drawn for the whole batch in every process, which then takes
its share. What draws from PyTorch's global generators is no part of that promise: dropout or stochastic depth inside an encoder.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, such as ``derive_seed(0, "pairs", epoch, step)``."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    state = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0]
    return int(state) >> 1


def seeded_generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on ``device`` for one purpose."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *purpose))


@contextmanager
def seeded(seed: int, *purpose: str | int) -> Iterator[None]:
    """Within it, PyTorch's global CPU generator draws for one purpose, as layers do that are made; after it, all goes on as if nothing had been
    drawn. Generators of GPUs are not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, *purpose))
        yield
