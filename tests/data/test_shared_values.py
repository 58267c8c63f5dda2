from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch, ViewPairs, draw_pairs
from contextssl.data.shared_values import rounds, sharing_pairs
from contextssl.errors import DataError
from contextssl.randomness import seeded_generator
from tests.evaluation.tiny import views_of

BLOCKS = (slice(0, 4), slice(4, 6))


def grid(items: int, rows: int, columns: int) -> torch.Tensor:
    """Latents of two factors, every combination of the item's own values."""
    first, second = torch.randn(items, rows, 4), torch.randn(items, columns, 2)
    places = list(product(range(rows), range(columns)))
    return torch.stack([torch.cat([first[:, i], second[:, j]], dim=1) for i, j in places], dim=1)


@given(st.integers(2, 7), st.integers(2, 7), st.integers(1, 4), st.integers(0, 99))
def test_held_factors_agree_and_the_others_differ(rows: int, columns: int, pairs: int, seed: int) -> None:
    latents = grid(3, rows, columns)
    of = torch.arange(3).repeat(pairs)
    held = torch.randint(2, (len(of), 2), generator=torch.Generator().manual_seed(seed)).bool()
    source, target, found = sharing_pairs(latents, BLOCKS, of, held, torch.Generator().manual_seed(seed))
    assert bool(found.all())
    for row, item in enumerate(of.tolist()):
        a, b = latents[item, source[row]], latents[item, target[row]]
        assert [bool((a[block] == b[block]).all()) for block in BLOCKS] == held[row].tolist()
        # In a grid only the view itself agrees in everything.
        assert (source[row] == target[row]) == bool(held[row].all())


def test_pairs_of_an_item_share_no_value_while_there_are_others() -> None:
    latents = grid(5, 7, 7)
    of = torch.arange(5).repeat_interleave(3)
    held = torch.tensor([[True, False], [False, True], [False, False]]).repeat(5, 1)
    source, target, _ = sharing_pairs(latents, BLOCKS, of, held, torch.Generator().manual_seed(0))
    for item in range(5):
        rows = (of == item).nonzero()[:, 0]
        for block in BLOCKS:
            values = [{tuple(latents[item, view, block].tolist()) for view in (source[row], target[row])} for row in rows]
            assert all(not a & b for index, a in enumerate(values) for b in values[:index])


def test_every_view_is_drawn_as_often() -> None:
    latents = grid(1, 3, 3)
    of, held = torch.zeros(2, dtype=torch.long), torch.tensor([[True, False], [True, False]])
    counts = torch.zeros(9)
    for seed in range(400):
        source, target, _ = sharing_pairs(latents, BLOCKS, of, held, torch.Generator().manual_seed(seed))
        counts += torch.cat([source, target]).bincount(minlength=9)
    assert counts.min() > 0.7 * counts.mean() and counts.max() < 1.3 * counts.mean()


def test_rounds_are_the_first_pairs_then_the_second() -> None:
    assert [part.tolist() for part in rounds(torch.tensor([4, 7, 4, 4, 7, 1]))] == [[0, 1, 5], [2, 4], [3]]
    assert rounds(torch.tensor([], dtype=torch.long)) == []


def test_views_without_a_shared_value_give_no_examples() -> None:
    pairs = ViewPairs(views_of())
    held = pairs.factors.mask("rotation").expand(2, -1)
    with pytest.raises(DataError, match="no two views with the same rotation and another color; render a grid"):
        pairs.draw(torch.tensor([0, 1]), seeded_generator(0, "x"), held=held)
    # Any two of them differ in both factors.
    nothing = pairs.draw(torch.tensor([0, 1]), seeded_generator(0, "x"), held=torch.zeros(2, 6, dtype=torch.bool))
    assert not bool((nothing.source_views == nothing.target_views).any())


def test_a_batch_of_examples_shares_what_its_environment_keeps() -> None:
    source = ViewPairs(views_of(6, grid=(4, 4)))
    mix = EnvironmentMix.parse({"rotation": 0.4, "color": 0.3, "none": 0.3}, source.factors, "sequence")
    sampler = PairSampler(source, mix, 12, 4, pairs_per_item=2, context="examples")
    seen = set()
    for step in range(4):
        batch = sampler.batch(step, 0)
        agree = batch.source_latents == batch.target_latents
        for name, block in zip(source.factors.names, source.factors.slices, strict=True):
            assert torch.equal(agree[:, block].all(dim=1), batch.active[:, block.start]), name
        seen |= {tuple(row) for row in batch.active[:, [0, 4]].tolist()}
        parts = [sampler.batch(step, 0, rank, 3) for rank in range(3)]
        assert torch.equal(torch.cat([part.source for part in parts]), batch.source)
    assert seen == {(True, False), (False, True), (False, False)}


def test_a_source_of_ones_own_needs_the_argument_only_for_examples() -> None:
    class Plain(ViewPairs):
        def draw(self, items: torch.Tensor, generator: torch.Generator, share: slice = slice(None)) -> PairBatch:  # type: ignore[override]
            return super().draw(items, generator, share)

    source: Any = Plain(views_of(grid=(2, 2)))
    assert len(draw_pairs(source, torch.tensor([0]), seeded_generator(0, "x"))) == 1
    with pytest.raises(DataError, match="Plain.draw has no argument held, which context=examples needs"):
        draw_pairs(source, torch.tensor([0]), seeded_generator(0, "x"), held=torch.ones(1, 6, dtype=torch.bool))
