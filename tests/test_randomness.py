from __future__ import annotations

import threading

import torch
from torch import nn

from contextssl.randomness import DrawingFrom, derive_seed, seeded_generator


def test_a_draw_depends_on_seed_and_purpose_alone() -> None:
    first = torch.rand(5, generator=seeded_generator(0, "pairs", 3))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=seeded_generator(0, "pairs", 3)))
    others = [seeded_generator(1, "pairs", 3), seeded_generator(0, "views", 3), seeded_generator(0, "pairs", 4)]
    assert all(not torch.equal(first, torch.rand(5, generator=generator)) for generator in others)


def test_seeds_of_many_steps_differ() -> None:
    assert len({derive_seed(0, "step", step, rank) for step in range(500) for rank in range(4)}) == 2000


def network() -> nn.Sequential:
    linear, embedding = nn.Linear(5, 40), nn.Embedding(30, 7)
    layers = nn.Sequential(linear, nn.BatchNorm1d(40), embedding)
    layers.noise = nn.Parameter(torch.randn(50))
    nn.init.trunc_normal_(linear.weight)
    nn.init.orthogonal_(embedding.weight)
    return layers


def test_modules_are_drawn_from_a_generator_as_from_the_global_stream() -> None:
    torch.manual_seed(5)
    wanted = [*network().parameters(), torch.rand(9), torch.randperm(20), torch.randint(0, 50, (20,)), torch.rand(30).bernoulli()]
    before = torch.get_rng_state()
    with DrawingFrom(torch.Generator().manual_seed(5)):
        made = [*network().parameters(), torch.rand(9), torch.randperm(20), torch.randint(0, 50, (20,)), torch.rand(30).bernoulli()]
    assert all(torch.equal(a, b) for a, b in zip(wanted, made, strict=True))
    assert torch.equal(torch.get_rng_state(), before), "the global stream stays where it was"


def test_other_threads_change_nothing() -> None:
    """They draw from the global stream all the time, and build networks of their own."""
    with DrawingFrom(torch.Generator().manual_seed(5)):
        alone = list(network().parameters())
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            torch.rand(100)
            torch.manual_seed(3)
            with DrawingFrom(torch.Generator().manual_seed(6)):
                network()

    threads = [threading.Thread(target=disturb) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with DrawingFrom(torch.Generator().manual_seed(5)):
                made = list(network().parameters())
            assert all(torch.equal(a, b) for a, b in zip(alone, made, strict=True))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
