"""Drawing listed pairs by their kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.listed_pairs import ListedPairs, ListedViews
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import with_decoys
from contextssl.data.views import Views
from contextssl.errors import DataError
from contextssl.factors import FactorSpace
from contextssl.models.contrast import alike_in_context
from contextssl.randomness import seeded_generator

KINDS = ("colour", "place")


def grid(items: int = 4, places: int = 3, colours: int = 3) -> ListedPairs:
    """Images of items in all places and colours; pixel values say which: item, place, colour."""
    count = items * places * colours
    where = np.stack(np.unravel_index(np.arange(count), (items, places, colours)), axis=1)
    images = np.broadcast_to(where[:, None, None, None].astype(np.uint8), (count, 1, 2, 2, 3))
    views = Views(
        images, np.zeros((count, 1, 0), np.float32), np.zeros(count, np.int64), FactorSpace(()), ("a",), [str(i) for i in range(count)]
    )
    pairs = [
        [one, two, kind]
        for one in range(count)
        for two in range(one + 1, count)
        for kind, same, other in ((0, 2, 1), (1, 1, 2))
        if where[one, 0] == where[two, 0] and where[one, same] == where[two, same] and where[one, other] != where[two, other]
    ]
    return ListedPairs(ListedViews.of(views, KINDS, np.array(pairs), where[:, 0].copy()))


def held(source: ListedPairs, kind: str, count: int) -> torch.Tensor:
    return source.factors.mask(kind).expand(count, -1)


@pytest.mark.parametrize(("kind", "same", "other"), [("colour", 2, 1), ("place", 1, 2)])
def test_pairs_are_of_the_kind_that_is_held(kind: str, same: int, other: int) -> None:
    source = grid()
    items = torch.arange(36)
    batch = source.draw(items, seeded_generator(0, "x"), held=held(source, kind, 36))
    one, two = (views[:, :, 0, 0].long() for views in (batch.source, batch.target))
    assert (one[:, 0] == two[:, 0]).all() and (one[:, same] == two[:, same]).all() and (one[:, other] != two[:, other]).all()
    # Each image is one of its own pair; either may come first.
    own = (batch.source_views == items) | (batch.target_views == items)
    assert own.float().mean() > 0.9 and 0.2 < (batch.source_views == items).float().mean() < 0.8
    assert torch.equal(batch.items, one[:, 0]) and batch.action.isnan().all()
    assert source.views.gather_latents(items, torch.zeros_like(items)).isnan().all()


def test_more_pairs_of_an_image_are_others_of_its_item_and_then_any() -> None:
    source = grid()
    items = torch.zeros(3, dtype=torch.long)
    batch = source.draw(items, seeded_generator(1, "x"), held=held(source, "place", 3))
    assert (batch.items == 0).all()
    # Of three places: each pair is of another, so that all are negatives of each other.
    assert sorted(batch.source[:, 1, 0, 0].tolist()) == [0, 1, 2]
    more = source.draw(torch.zeros(8, dtype=torch.long), seeded_generator(1, "x"), held=held(source, "place", 8))
    places = {(int(item), int(place)) for item, place in zip(more.items, more.source[:, 1, 0, 0], strict=True)}
    assert len(places) == 8 and len({item for item, _ in places}) > 1


def test_an_item_without_a_pair_of_the_kind_gives_one_of_another() -> None:
    source = grid(items=2)
    views = source.views
    only = views.listed[(views.listed[:, 2] == 0) | (views.people[views.listed[:, 0]] == 1)]
    few = ListedPairs(replace(views, listed=only))
    batch = few.draw(torch.zeros(4, dtype=torch.long), seeded_generator(0, "x"), held=held(few, "place", 4))
    assert (batch.items == 1).all() and (batch.source[:, 0, 0, 0] == 1).all()
    none = ListedPairs(replace(views, listed=views.listed[views.listed[:, 2] == 0]))
    with pytest.raises(DataError, match="no pair of the kind place is listed in this split"):
        none.draw(torch.zeros(4, dtype=torch.long), seeded_generator(0, "x"), held=held(none, "place", 4))


def test_a_draw_is_the_same_whatever_share_is_asked_for() -> None:
    source = grid()
    items = torch.randint(36, (20,), generator=seeded_generator(0, "items"))
    draws = [source.draw(items, seeded_generator(0, "x"), share, held(source, "colour", 20)) for share in (slice(None), slice(5, 12))]
    whole, part = draws
    for name in ("source", "target", "items", "source_latents"):
        assert torch.equal(getattr(whole, name)[5:12], getattr(part, name))


def test_views_that_count_as_the_same_are_no_negatives() -> None:
    source = grid()
    batch = source.draw(torch.arange(36), seeded_generator(3, "x"), held=held(source, "place", 36))
    active = held(source, "place", 36)
    alike = alike_in_context(batch.items, batch.latents, active)
    tokens = torch.stack([batch.source, batch.target], dim=1).flatten(0, 1)[:, :, 0, 0]
    expected = (tokens[:, None, :2] == tokens[None, :, :2]).all(dim=-1)
    assert torch.equal(alike, expected)
    # Whatever is active: with no kind, all views of an item.
    nothing = alike_in_context(batch.items, batch.latents, torch.zeros_like(active))
    assert torch.equal(nothing, tokens[:, None, 0] == tokens[None, :, 0])


def test_without_a_kind_pairs_are_of_any_and_with_two_there_are_none() -> None:
    source = grid()
    for mask in (None, torch.zeros(30, 2, dtype=torch.bool)):
        batch = source.draw(torch.arange(30), seeded_generator(0, "x"), held=mask)
        same_place = batch.source[:, 1, 0, 0] == batch.target[:, 1, 0, 0]
        assert 0.2 < same_place.float().mean() < 0.8
    with pytest.raises(DataError, match=r"no pair is listed as colour\+place: each is of one kind; name one of colour, place"):
        source.draw(torch.arange(4), seeded_generator(0, "x"), held=torch.ones(4, 2, dtype=torch.bool))


def test_there_is_no_evidence_in_pairs() -> None:
    source = grid()
    batch = source.draw(torch.arange(4), seeded_generator(0, "x"))
    with pytest.raises(DataError, match="context=evidence needs actions"):
        with_decoys(source, batch, seeded_generator(0, "y"), 4)


def test_an_epoch_passes_over_every_image() -> None:
    source = grid()
    mix = EnvironmentMix.parse(None, source.factors, "sequence")
    assert [environment.name for environment in mix.environments] == ["colour", "place"] and mix.probabilities == (0.5, 0.5)
    sampler = PairSampler(source, mix, batch_size=12, block_size=8, pairs_per_item=2, context="examples", together=True)
    assert sampler.steps_per_epoch == 6
    batches = [sampler.batch(0, step) for step in range(6)]
    for batch in batches:
        kind = batch.active[:, 1].long()
        one, two = (views[:, 1:, 0, 0] for views in (batch.source, batch.target))
        shared = torch.where(kind == 1, one[:, 0] == two[:, 0], one[:, 1] == two[:, 1])
        assert bool(shared.all())
    again = sampler.batch(0, 3)
    assert torch.equal(again.source, batches[3].source)
