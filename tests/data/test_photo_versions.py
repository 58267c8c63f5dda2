"""Fixed versions of photos: which pairs of them share what."""

from __future__ import annotations

import itertools

import pytest
import torch

pytest.importorskip("kornia")

from contextssl.data.augmentations import Augmentations
from contextssl.data.augmented import AugmentedViews
from contextssl.data.pairs import ViewPairs
from contextssl.data.photo_versions import PhotoVersions, combinations
from contextssl.data.views import Views
from contextssl.errors import SettingsError
from contextssl.randomness import seeded_generator
from tests.data.test_augmented import photos


def versions(names: list[str], count: int | None = None, items: int = 5) -> PhotoVersions:
    return PhotoVersions.of(AugmentedViews(photos(items), Augmentations.named(names), 4), count, "train")


def everything(bank: PhotoVersions) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(bank.num_items).repeat_interleave(bank.num_views), torch.arange(bank.num_views).repeat(bank.num_items)


def test_combinations_of_two_rows() -> None:
    made = combinations(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0, 6.0]]), [2, 1])
    assert made.tolist() == [[[1, 2, 3], [1, 2, 6], [4, 5, 3], [4, 5, 6]]]


@pytest.mark.parametrize(("names", "count"), [(["color", "rotate"], 8), (["crop", "blur", "flip"], None), (["flip", "color"], 4)])
def test_each_version_has_one_partner_for_each_choice_of_shared_factors(names: list[str], count: int | None) -> None:
    bank = versions(names, count)
    assert bank.num_views == (count or 8) and bank.plain_view is None
    items, shown = everything(bank)
    latents = bank.gather_latents(items, shown).view(bank.num_items, bank.num_views, -1)
    group = 2 ** len(names)
    for item, start in itertools.product(range(bank.num_items), range(0, bank.num_views, group)):
        of_group = latents[item, start : start + group]
        for view in range(group):
            shared = [tuple(bool((of_group[view, place] == other[place]).all()) for place in bank.factors.slices) for other in of_group]
            assert sorted(shared) == sorted(itertools.product((False, True), repeat=len(names)))


def test_latents_are_those_of_the_parameters_and_the_pixels_come_again() -> None:
    bank, again = versions(["color", "rotate"], 4), versions(["color", "rotate"], 4)
    items, shown = everything(bank)
    torch.testing.assert_close(bank.gather_latents(items, shown), bank.augmentations.latents(bank.parameters(items, shown)))
    order = torch.randperm(len(items), generator=seeded_generator(0))
    assert torch.equal(bank.gather_views(items, shown)[order], again.gather_views(items[order], shown[order]))
    assert torch.equal(bank.gather_latents(items, shown)[order], again.gather_latents(items[order], shown[order]))
    assert len(bank.parameters(items, shown).unique(dim=0)) == len(items)


def test_any_number_that_is_no_multiple_is_refused() -> None:
    assert versions(["crop", "blur", "flip", "color"]).num_views == 16
    with pytest.raises(SettingsError, match="frozen_views is 6: 2 factors need a multiple of 4"):
        versions(["crop", "blur"], 6)


@pytest.mark.parametrize("held", ["color", "rotate", "none", "color+rotate"])
def test_examples_are_drawn_of_them(held: str) -> None:
    bank = versions(["color", "rotate"], 8)
    items, shown = everything(bank)
    latents = bank.gather_latents(items, shown).view(bank.num_items, bank.num_views, -1).numpy()
    features = torch.arange(bank.num_items * bank.num_views * 3).view(bank.num_items, bank.num_views, 3).float().numpy()
    pairs = ViewPairs(Views(features, latents, bank.labels, bank.factors, bank.class_names, bank.photos.item_names))
    mask = bank.factors.mask(held)
    drawn = pairs.draw(torch.arange(5).repeat(4), seeded_generator(1), held=mask.expand(20, -1))
    same = drawn.source_latents == drawn.target_latents
    for name, place in zip(bank.factors.names, bank.factors.slices, strict=True):
        assert bool((same[:, place].all(dim=1) == bool(mask[place].all())).all()), name
    assert torch.equal(drawn.source, torch.from_numpy(features)[drawn.items, drawn.source_views])
