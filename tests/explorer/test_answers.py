"""The answers against what a user of the library would compute."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from contextssl.errors import InputError
from contextssl.explorer.answers import NEIGHBOURS, Explorer
from contextssl.explorer.describing import GivenUp
from tests.explorer.tiny import tiny_explorer


@pytest.fixture(scope="module")
def toy() -> Explorer:
    return tiny_explorer()


def slow_neighbours(unit: torch.Tensor, row: int) -> list[int]:
    order = sorted((other for other in range(len(unit)) if other != row), key=lambda other: -float(unit[other] @ unit[row]))
    return order[:NEIGHBOURS]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_neighbours_are_those_of_a_slow_search_in_the_context(toy: Explorer, count: int) -> None:
    kind = toy.kinds[1]
    names = [(f"e{7 + place}a", f"e{7 + place}b") for place in range(count)]
    answer = toy.answer(toy.pairs_of(names), toy.query("v4"))
    context = toy.model.context(kind.images[:count])
    after = F.normalize(toy.model.embed(toy.shown.images, context), dim=-1)
    without = F.normalize(toy.model.embed(toy.shown.images), dim=-1)
    assert answer.pairs == count
    assert [row for row, _ in answer.after] == slow_neighbours(after, 4)
    assert [row for row, _ in answer.without] == slow_neighbours(without, 4)
    row, cosine = answer.after[0]
    assert cosine == pytest.approx(float(after[4] @ after[row]), abs=1e-5)


def test_without_examples_both_are_the_same(toy: Explorer) -> None:
    answer = toy.answer(toy.pairs_of([]), toy.query("v0"))
    assert answer.pairs == 0 and answer.after == answer.without and len(answer.after) == NEIGHBOURS


def test_views_of_the_page_and_of_examples_go_together(toy: Explorer) -> None:
    answer = toy.answer(toy.pairs_of([("v0", "v1"), ("e3a", "e3b"), ("v9", "e5a")]), toy.query("v2"))
    images = torch.stack([toy.shown.images[[0, 1]], toy.kinds[0].images[3], torch.stack([toy.shown.images[9], toy.kinds[0].images[5, 0]])])
    unit = F.normalize(toy.model.embed(toy.shown.images, toy.model.context(images)), dim=-1)
    assert [row for row, _ in answer.after] == slow_neighbours(unit, 2)


def test_the_map_keeps_what_two_components_can_keep(toy: Explorer) -> None:
    answer = toy.answer(toy.pairs_of([("e0a", "e0b"), ("e1a", "e1b")]), toy.query("v5"))
    context = toy.model.context(toy.kinds[0].images[:2])
    unit = F.normalize(toy.model.embed(toy.shown.images, context), dim=-1)
    centred = (unit - unit.mean(dim=0)).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    flat = centred @ vectors[:, [-1, -2]]
    flat = flat / flat.norm(dim=1).max()
    # Up to the signs of the components.
    torch.testing.assert_close(answer.map.double().abs(), flat.abs(), atol=1e-4, rtol=0)
    torch.testing.assert_close(answer.place, answer.map[5], atol=1e-5, rtol=0)


def test_the_description_is_the_contexts_own(toy: Explorer) -> None:
    names = [(f"e{place}a", f"e{place}b") for place in range(5)]
    said = toy.describe(toy.pairs_of(names))
    assert str(said) == str(toy.model.context(toy.kinds[0].images[:5]).describe())
    # Again, from what was kept of the model's own views.
    assert str(toy.describe(toy.pairs_of(names))) == str(said)
    left = toy.left(toy.pairs_of(names))
    assert left == pytest.approx({name: effect.left for name, effect in said.factors.items()})


def test_nobody_waits_for_a_description_that_is_given_up(toy: Explorer) -> None:
    asked = 0

    def given_up() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(GivenUp):
        toy.describe(toy.pairs_of([("e0a", "e0b")] * 3), given_up)
    assert asked == 4


@pytest.mark.parametrize("name", ["v36", "v-1", "e21a", "e0c", "v", "../x", "", "v1 ", "unknown-token", "v" * 100, "v\u0661", "e\u0660a"])
def test_a_name_that_is_no_view_is_refused(toy: Explorer, name: str) -> None:
    with pytest.raises(InputError, match="no view|no longer kept"):
        toy.query(name)


def test_no_more_examples_than_the_model_takes(toy: Explorer) -> None:
    assert toy.most_pairs == 7
    with pytest.raises(InputError, match="8 examples are more than the 7"):
        toy.pairs_of([("v0", "v1")] * 8)
    with pytest.raises(InputError, match="no examples to describe"):
        toy.describe(toy.pairs_of([]))


def test_the_kinds_say_what_their_pairs_share(toy: Explorer) -> None:
    assert [(kind.name, kind.title, kind.rest) for kind in toy.kinds] == [
        ("rotation", "same rotation", "other colour"),
        ("color", "same colour", "other rotation"),
        ("none", "same object", "other rotation and colour"),
    ]
    assert all(kind.images.shape == (7, 2, 3, 8, 8) and len(kind.captions) == 7 for kind in toy.kinds)
