"""Views made from stored images: fixed ones to evaluate, fresh ones to train on."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("kornia")

from contextssl.data.augmentations import Augmentations
from contextssl.data.augmented import BLOCK, AugmentedPairs, AugmentedViews
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.views import Views
from contextssl.errors import DataError
from contextssl.evaluation.sensitivity import render_variations
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import FactorSpace
from contextssl.randomness import seeded_generator

SIDE = 12


def photos(items: int = 6, classes: int = 2) -> Views:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (items, 1, SIDE, SIDE, 3), dtype=np.uint8)
    latents = np.zeros((items, 1, 0), np.float32)
    names = [f"photo-{i}" for i in range(items)]
    return Views(images, latents, np.arange(items) % classes, FactorSpace(()), tuple("abcdef"[:classes]), names)


def views(items: int = 6, num_views: int = 5, seed: int = 0) -> AugmentedViews:
    return AugmentedViews(photos(items), Augmentations.named(["crop", "blur"]), num_views, seed)


def all_of(made: AugmentedViews) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(made.num_items).repeat_interleave(made.num_views), torch.arange(made.num_views).repeat(made.num_items)


def test_fixed_views_are_the_same_however_they_are_asked_for() -> None:
    made, again = views(), views()
    items, shown = all_of(made)
    images, latents = made.gather_views(items, shown), made.gather_latents(items, shown)
    assert images.shape == (30, 3, SIDE, SIDE) and images.dtype == torch.uint8 and latents.shape == (30, made.factors.width)
    order = torch.randperm(30, generator=seeded_generator(0))
    assert torch.equal(again.gather_views(items[order], shown[order]), images[order])
    for row in (3, 17):
        assert torch.equal(again.gather_views(items[row : row + 1], shown[row : row + 1])[0], images[row])
    assert not torch.equal(views(seed=1).gather_views(items, shown), images)
    assert len(latents.unique(dim=0)) == 6 * 4 + 1, "every view its own, but for the plain ones"


def test_the_first_view_is_the_image_itself() -> None:
    made = views()
    items = torch.arange(6)
    assert made.plain_view == 0
    torch.testing.assert_close(made.gather_views(items, torch.zeros_like(items)), made.photographed(items), atol=1, rtol=0)
    assert made.caption(2, 0) == "as it is" and "blur" in made.caption(2, 1)
    plain = ViewSet.choose(made, "val", 0, 0, 0).plain
    assert plain is not None and plain.items.tolist() == [0, 1, 2, 3, 4, 5] and plain.views.tolist() == [0] * 6 and plain.per_item == 1


def test_items_of_another_block_have_draws_of_their_own() -> None:
    made = AugmentedViews(photos(BLOCK + 3), Augmentations.named(["blur"]), 3)
    one, other = (made.parameters(torch.tensor([item]), torch.tensor([1])) for item in (1, BLOCK + 1))
    assert not torch.equal(one, other)
    assert torch.equal(made.parameters(torch.tensor([BLOCK + 1, 1]), torch.tensor([1, 1])), torch.cat([other, one]))


def test_redrawing_changes_one_factor() -> None:
    made = views()
    items, shown = all_of(made)
    parameters = made.parameters(items, shown)
    anew = made.augmentations.redraw(parameters, "blur", seeded_generator(3))
    assert torch.equal(anew[:, :4], parameters[:, :4]) and not torch.equal(anew[:, 4:], parameters[:, 4:])
    expected = made.augmentations.apply(made.photographed(items), anew)
    assert torch.equal(made.redrawn(items, shown, "blur", seeded_generator(3)), expected)
    found, note = render_variations(ViewSet.choose(made, "val", 0, 0, 0), None, max_items=3, per_item=2, seed=0)
    assert note is None and found is not None and set(found.changed) == {"crop", "blur"} and len(found) == 6


def test_pairs_are_made_from_their_parameters() -> None:
    pairs = AugmentedPairs(views())
    drawn = pairs.draw(torch.tensor([4, 4, 1]), seeded_generator(0))
    assert torch.equal(drawn.source, drawn.target), "images, until the views are made"
    batch = pairs.complete(drawn)
    made = pairs.views.augmentations
    assert drawn.source_parameters is not None and drawn.target_parameters is not None
    assert torch.equal(batch.source, made.apply(drawn.source, drawn.source_parameters))
    assert torch.equal(batch.target, made.apply(drawn.target, drawn.target_parameters))
    torch.testing.assert_close(batch.action, made.latents(drawn.target_parameters) - made.latents(drawn.source_parameters))
    torch.testing.assert_close(batch.source_latents, made.latents(drawn.source_parameters))
    assert batch.labels.tolist() == [0, 0, 1] and batch.items.tolist() == [4, 4, 1]
    assert pairs.captions(batch, 0) == (made.words(drawn.source_parameters[0]), made.words(drawn.target_parameters[0]))
    share = pairs.complete(pairs.draw(torch.tensor([4, 4, 1]), seeded_generator(0), slice(1, 3)))
    assert torch.equal(share.source, batch.source[1:]) and torch.equal(share.target, batch.target[1:]), "the same in any share"
    assert share.items.tolist() == [4, 1]


def test_a_batch_is_a_function_of_seed_epoch_and_step() -> None:
    pairs = AugmentedPairs(views())
    sampler = PairSampler(pairs, EnvironmentMix.parse(None, pairs.factors, "sequence"), 6, 4, pairs_per_item=3)
    one, again, other = sampler.batch(1, 0), pickle.loads(pickle.dumps(sampler)).batch(1, 0), sampler.batch(2, 0)
    assert torch.equal(pairs.complete(one).target, pairs.complete(again).target) and torch.equal(one.action, again.action)
    assert not torch.equal(one.action, other.action)


def test_a_digest_knows_images_and_augmentations() -> None:
    one = views().digest()
    assert one == views().digest()
    assert len({one, views(seed=1).digest(), views(num_views=6).digest(), views(items=5).digest()}) == 4


def test_what_cannot_be_augmented(tmp_path: Path) -> None:
    several = photos()
    two = Views(
        np.repeat(several.images, 2, axis=1),
        np.zeros((6, 2, 0), np.float32),
        several.labels,
        FactorSpace(()),
        ("a", "b"),
        several.item_names,
    )
    with pytest.raises(DataError, match="single images; these items have 2 views"):
        AugmentedViews(two, Augmentations.named(["blur"]))
    with pytest.raises(DataError, match="at least two"):
        views(num_views=1)
