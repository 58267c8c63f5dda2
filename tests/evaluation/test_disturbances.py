"""Disturbances of contexts: each does what its name says and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from contextssl.data.pairs import ViewPairs
from contextssl.evaluation.contexts import Contexts
from contextssl.evaluation.disturbances import (
    DISTURBANCES,
    Draw,
    blank_images,
    cycle,
    random_actions,
    shuffled,
    wrong_pairs,
    zero_pair,
)
from contextssl.evaluation.disturbed_contexts import _draws
from contextssl.evaluation.embeddings import Embedder
from tests.evaluation.tiny import FACTORS, encoded, generator, tiny_model, views_of

ROTATION, NONE = FACTORS.environment("rotation"), FACTORS.environment("none")


@pytest.mark.parametrize("count", [2, 3, 7, 63])
def test_a_cycle_leaves_nothing_in_its_place(count: int) -> None:
    for seed in range(20):
        moved = cycle(count, generator(seed))
        assert moved.sort().values.tolist() == list(range(count))
        assert bool((moved != torch.arange(count)).all())
        place, steps = int(moved[0]), 1
        while place != 0:
            place, steps = int(moved[place]), steps + 1
        assert steps == count
    assert cycle(1, generator()).tolist() == [0]
    assert count == 2 or len({tuple(cycle(count, generator(seed)).tolist()) for seed in range(20)}) > 1


@pytest.mark.parametrize("count", [2, 7])
def test_shuffling_moves_whole_pairs_and_random_actions_move_actions_alone(count: int) -> None:
    pairs = encoded(count, 0)
    moved = shuffled(pairs, generator())
    order = [next(i for i in range(count) if torch.equal(moved.features[j], pairs.features[i])) for j in range(count)]
    assert sorted(order) == list(range(count)) != order
    assert torch.equal(moved.action, pairs.action[order]) and torch.equal(moved.items, pairs.items[order])
    wrong = random_actions(pairs, generator())
    assert torch.equal(wrong.features, pairs.features) and torch.equal(wrong.items, pairs.items)
    assert torch.equal(wrong.action.sort(dim=0).values, pairs.action.sort(dim=0).values)
    assert not any(torch.equal(wrong.action[i], pairs.action[i]) for i in range(count))


@pytest.mark.parametrize("items", [2, 3, 100])
@pytest.mark.parametrize(("share", "count"), [(0.25, 2), (0.5, 4), (1.0, 7)])
def test_wrong_targets_are_of_other_items(share: float, count: int, items: int) -> None:
    """However few items there are, as long as the spare pairs are not all of one."""
    for seed in range(10):
        pairs, spare = encoded(7, seed, items), encoded(9, seed + 100, items)
        if len(spare.items.unique()) < 2:
            continue
        wrong = wrong_pairs(pairs, spare, share, generator(seed))
        changed = [i for i in range(7) if not torch.equal(wrong.features[i, 1], pairs.features[i, 1])]
        assert len(changed) == count
        for i in changed:
            (taken,) = [j for j in range(9) if torch.equal(spare.features[j, 1], wrong.features[i, 1])]
            assert int(spare.items[taken, 1]) == int(wrong.items[i, 1]) != int(pairs.items[i, 0])
        kept = [i for i in range(7) if i not in changed]
        assert torch.equal(wrong.items[kept], pairs.items[kept])
        assert torch.equal(wrong.features[:, 0], pairs.features[:, 0]) and torch.equal(wrong.action, pairs.action)
        # Those of a smaller share are among those of a larger one.
        all_wrong = wrong_pairs(pairs, spare, 1.0, generator(seed))
        assert torch.equal(all_wrong.features[changed], wrong.features[changed])


def test_a_block_of_one_pair_has_a_wrong_target_too() -> None:
    few = ViewPairs(views_of(2, 4, "train"))
    embedder = Embedder(tiny_model(block_size=4), Contexts.draw(few, 1, 8, 0), {})
    for draw in _draws(embedder, few, 1, None, 0):
        wrong = next(draw.disturbed(1, ["wrong pairs"], ROTATION, 0)).pairs
        assert int(wrong.items[0, 0]) != int(wrong.items[0, 1])


def test_a_target_is_used_once_where_items_differ() -> None:
    pairs, spare = encoded(7, 0), encoded(7, 1)
    pairs, spare = (replace(p, items=torch.arange(7)[:, None].expand(7, 2) + 10 * i) for i, p in enumerate((pairs, spare)))
    assert torch.equal(wrong_pairs(pairs, spare, 1.0, generator()).features[:, 1], spare.features[:, 1])


def test_images_without_anything_in_them_and_a_pair_of_zeros() -> None:
    pairs, blank = encoded(7, 0), torch.arange(12.0)
    black = blank_images(pairs, blank)
    assert bool((black.features == blank).all()) and black.features.shape == pairs.features.shape
    assert torch.equal(black.action, pairs.action) and not torch.equal(black.features, pairs.features)
    nothing = zero_pair(pairs)
    assert len(nothing) == 1 and not nothing.features.any() and bool((nothing.action == 0.5).all())


def test_the_blank_view_is_what_the_encoder_makes_of_black() -> None:
    train = ViewPairs(views_of(4, 4, "train"))
    model = tiny_model()
    (draw,) = _draws(Embedder(model, Contexts.draw(train, 3, 1, 0), {}), train, 3, None, 0)
    torch.testing.assert_close(draw.blank, model.encode(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))[0])


def test_disturbances_that_keep_the_true_pairs() -> None:
    draw = Draw(0, encoded(7, 0), encoded(7, 1), None, torch.zeros(12))
    made = {disturbed.name: disturbed for disturbed in draw.disturbed(5, DISTURBANCES, ROTATION, 0)}
    assert set(made) == {
        "shuffled", "random actions", "partners dealt anew", "wrong pairs 25 %", "wrong pairs 50 %", "wrong pairs 100 %",
        "one image everywhere", "blank images", "no factor active", "all factors active",
        "scaled actions 0.5", "scaled actions 0.3", "scaled actions 0.2", "scaled actions 0.1",
    }  # fmt: skip
    assert {name: each.environment for name, each in made.items() if each.environment != "rotation"} == {
        "no factor active": "none",
        "all factors active": "all",
    }
    for name in ("no factor active", "all factors active"):
        assert torch.equal(made[name].pairs.features, draw.own.features[:5]) and torch.equal(made[name].pairs.action, draw.own.action[:5])
    torch.testing.assert_close(made["scaled actions 0.2"].pairs.action, 0.2 * draw.own.action[:5])
    # Where no factor is active there are no actions to be wrong, small, or left out.
    empty = {disturbed.name for disturbed in draw.disturbed(5, DISTURBANCES, NONE, 0)}
    assert empty == set(made) - {"random actions", "no factor active"} - {name for name in made if "scaled" in name}
    assert [each.name for each in draw.of_one_pair(DISTURBANCES, ROTATION)] == ["one pair", "one pair of zeros"]
    # The pair of zeros is the same in every draw, so one is enough.
    assert [each.name for each in replace(draw, index=1).of_one_pair(DISTURBANCES, ROTATION)] == ["one pair"]
    one = next(draw.of_one_pair(DISTURBANCES, ROTATION)).pairs
    assert len(one) == 1 and torch.equal(one.features[0], draw.own.features[0])
    beyond = draw.beyond_block(ROTATION).pairs
    assert torch.equal(beyond.features, torch.cat([draw.own.features, draw.spare.features]))
