from __future__ import annotations

import pytest
import torch

from contextssl.randomness import derive_seed, seeded, seeded_generator


def test_a_draw_depends_on_seed_and_purpose_alone() -> None:
    first = torch.rand(5, generator=seeded_generator(0, "pairs", 3))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=seeded_generator(0, "pairs", 3)))
    others = [seeded_generator(1, "pairs", 3), seeded_generator(0, "views", 3), seeded_generator(0, "pairs", 4)]
    assert all(not torch.equal(first, torch.rand(5, generator=generator)) for generator in others)


def test_seeds_of_many_steps_differ() -> None:
    assert len({derive_seed(0, "step", step, rank) for step in range(500) for rank in range(4)}) == 2000


def test_layers_are_made_from_a_seed_and_leave_the_global_stream_alone() -> None:
    state = torch.random.get_rng_state()
    with seeded(0, "weights"):
        first = torch.nn.Linear(3, 3).weight
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(2)
    with seeded(0, "weights"):
        assert torch.equal(torch.nn.Linear(3, 3).weight, first)
    with seeded(0, "head"):
        assert not torch.equal(torch.nn.Linear(3, 3).weight, first)


def test_no_generator_of_a_gpu_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """With several GPUs PyTorch warns where they are not named; and a seed for weights on the CPU is no business of theirs."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with seeded(0, "weights"):
        torch.nn.Linear(2, 2)
