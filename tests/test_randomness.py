from __future__ import annotations

import threading

import torch
from torch import nn

from contextssl.randomness import DrawingFrom, WithoutDrawing, derive_seed, seeded_generator, without_values


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


class Drawn(nn.Module):
    """Weights by PyTorch's initialisation, and numbers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5), nn.Embedding(6, 7), nn.MultiheadAttention(8, 2))
        nn.init.trunc_normal_(self.layers[2].weight)  # type: ignore[arg-type]
        self.places = nn.Parameter(torch.randn(2, 3) * 0.02)
        self.fixed: torch.Tensor
        self.register_buffer("fixed", torch.rand(5), persistent=False)


def test_what_is_loaded_afterwards_is_not_drawn() -> None:
    before = torch.get_rng_state()
    with WithoutDrawing():
        once, again = Drawn(), Drawn()
    assert bool((torch.get_rng_state() == before).all())
    # Constants are set as ever, and what a module makes by itself is a function of a seed.
    for name in ("1.weight", "1.running_var"):
        torch.testing.assert_close(once.layers.state_dict()[name], torch.ones(4))
    with WithoutDrawing():
        torch.testing.assert_close(Drawn().fixed, once.fixed, rtol=0, atol=0)
    assert not torch.equal(again.fixed, once.fixed)
    state = Drawn().state_dict()
    once.load_state_dict(state)
    for name, tensor in once.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


def test_without_values_there_are_shapes_alone() -> None:
    before = torch.get_rng_state()
    with without_values():
        made = Drawn()
    assert all(tensor.is_meta for tensor in (*made.parameters(), *made.buffers()))
    assert {name: tensor.shape for name, tensor in made.state_dict().items()} == {
        name: tensor.shape for name, tensor in Drawn().state_dict().items()
    }
    torch.set_rng_state(before)
