from __future__ import annotations

import torch

from contextssl.randomness import derive_seed, seeded_generator


def test_a_draw_depends_on_seed_and_purpose_alone() -> None:
    first = torch.rand(5, generator=seeded_generator(0, "pairs", 3))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=seeded_generator(0, "pairs", 3)))
    others = [seeded_generator(1, "pairs", 3), seeded_generator(0, "views", 3), seeded_generator(0, "pairs", 4)]
    assert all(not torch.equal(first, torch.rand(5, generator=generator)) for generator in others)


def test_seeds_of_many_steps_differ() -> None:
    assert len({derive_seed(0, "step", step, rank) for step in range(500) for rank in range(4)}) == 2000
