"""Pairs of augmentations that share some factors: held ones are the same to the last bit, all others differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("kornia")

from contextssl.data.augmentations import AUGMENTATIONS, Augmentation, Augmentations, Blur, Crop, Flip, Grayscale
from contextssl.data.augmented import AugmentedPairs, AugmentedViews
from contextssl.data.shared_parameters import target_parameters
from contextssl.data.views import Views
from contextssl.errors import DataError, InputError
from contextssl.factors import FactorSpace
from contextssl.randomness import seeded_generator

SIDE = 12
# Centre and scale are given, so that a test need not measure them.
OURS = Augmentations.named(sorted(AUGMENTATIONS))


@dataclass(frozen=True)
class Steps(Augmentation):
    """A number of which its latents show the whole steps alone: two parameters may be one value."""

    name: ClassVar = "steps"
    parameters: ClassVar = ("position",)
    identity: ClassVar = (0.0,)
    count: int = 3

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return self.count * torch.rand(count, 1, generator=generator)

    def latents(self, parameters: torch.Tensor) -> torch.Tensor:
        return parameters.floor()

    def apply(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        return images

    def words(self, parameters: torch.Tensor) -> str:
        return ""


def pairs_of(augmentations: Augmentations, items: int = 6) -> AugmentedPairs:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (items, 1, SIDE, SIDE, 3), dtype=np.uint8)
    latents = np.zeros((items, 1, 0), np.float32)
    photos = Views(images, latents, np.arange(items) % 2, FactorSpace(()), ("a", "b"), [str(i) for i in range(items)])
    return AugmentedPairs(AugmentedViews(photos, augmentations, 2))


def masks(chosen: list[set[str]], factors: FactorSpace) -> torch.Tensor:
    return torch.stack([factors.mask(factors.environment(sorted(names))) for names in chosen])


def parameters_of(batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.source_parameters, batch.target_parameters


several = st.lists(st.sets(st.sampled_from(OURS.factors.names)), min_size=1, max_size=24)


@given(several, st.integers(0, 1000))
def test_held_factors_are_shared_and_all_others_differ(chosen: list[set[str]], seed: int) -> None:
    pairs = pairs_of(OURS)
    items, held = torch.arange(len(chosen)) % 6, masks(chosen, OURS.factors)
    batch = pairs.draw(items, seeded_generator(seed), held=held)
    source, target = parameters_of(batch)
    for row, names in enumerate(chosen):
        for augmentation, one, other in zip(
            OURS.augmentations, *([block[row] for _, block in OURS.blocks(p)] for p in (source, target)), strict=True
        ):
            place = OURS.factors.slice(augmentation.name)
            same = torch.equal(batch.source_latents[row, place], batch.target_latents[row, place])
            assert same == torch.equal(one, other) == (augmentation.name in names)
            assert bool((batch.action[row, place] == 0).all()) == same, "no action is the identity of a difference"


@given(several, st.integers(0, 1000))
def test_only_what_has_to_change_is_drawn_again(chosen: list[set[str]], seed: int) -> None:
    """The source is that of a pair of any two views, and so is each block of the target that differs from it anyway."""
    pairs, items, held = pairs_of(OURS), torch.arange(len(chosen)) % 6, masks(chosen, OURS.factors)
    source, target = parameters_of(pairs.draw(items, seeded_generator(seed), held=held))
    drawn, other = OURS.draw(2 * len(chosen), seeded_generator(seed)).chunk(2)
    assert torch.equal(source, drawn)
    for (augmentation, block), (_, before), (_, theirs) in zip(*map(OURS.blocks, (target, other, drawn)), strict=True):
        rows = torch.tensor([augmentation.name not in names for names in chosen]) & (before != theirs).any(dim=1)
        assert torch.equal(block[rows], before[rows])


@given(st.integers(1, 12), st.integers(0, 1000))
def test_without_held_nothing_else_is_drawn(count: int, seed: int) -> None:
    pairs, generator, theirs = pairs_of(OURS), seeded_generator(seed), seeded_generator(seed)
    source, target = parameters_of(pairs.draw(torch.arange(count) % 6, generator))
    drawn = torch.cat([augmentation.draw(2 * count, theirs) for augmentation in OURS.augmentations], dim=1)
    assert torch.equal(torch.cat([source, target]), drawn)
    assert torch.equal(torch.rand(5, generator=generator), torch.rand(5, generator=theirs)), "what is drawn next is the same as well"


@given(several, st.data(), st.integers(0, 1000))
def test_a_pair_is_the_same_in_any_share(chosen: list[set[str]], data: st.DataObject, seed: int) -> None:
    pairs, items, held = pairs_of(OURS), torch.arange(len(chosen)) % 6, masks(chosen, OURS.factors)
    start = data.draw(st.integers(0, len(chosen) - 1))
    share = slice(start, data.draw(st.integers(start + 1, len(chosen))))
    whole, part = (pairs.draw(items, seeded_generator(seed), each, held) for each in (slice(None), share))
    for name in ("source_parameters", "target_parameters", "items", "labels", "source"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[share]), name
    torch.testing.assert_close(part.action, whole.action[share])


def test_views_that_share_everything_are_the_same_pixels() -> None:
    pairs = pairs_of(OURS)
    held = masks([set(OURS.factors.names), set()] * 6, OURS.factors)
    batch = pairs.complete(pairs.draw(torch.arange(12) % 6, seeded_generator(0), held=held))
    assert torch.equal(batch.source[::2], batch.target[::2])
    assert bool((batch.source[1::2] != batch.target[1::2]).flatten(1).any(dim=1).all())
    assert bool((batch.action[::2] == 0).all())


def test_a_shared_crop_is_that_crop_under_another_blur() -> None:
    augmentations = Augmentations((Crop(), Blur()))
    pairs = pairs_of(augmentations)
    drawn = pairs.draw(torch.arange(6), seeded_generator(0), held=masks([{"crop"}] * 6, augmentations.factors))
    source, target = parameters_of(drawn)
    # The same target with the source's blur: nothing else differs.
    unblurred = torch.cat([target[:, :4], source[:, 4:]], dim=1)
    assert torch.equal(augmentations.apply(drawn.source, unblurred), pairs.complete(drawn).source)
    assert not torch.equal(pairs.complete(drawn).target, pairs.complete(drawn).source)


@pytest.mark.parametrize("augmentation", [Flip(), Flip(0.02), Flip(0.98), Grayscale()])
def test_of_two_values_the_other_one_is_taken(augmentation: Flip | Grayscale) -> None:
    augmentations = Augmentations((augmentation,))
    nothing = torch.zeros(500, 1, dtype=torch.bool)
    source, target = parameters_of(pairs_of(augmentations).draw(torch.arange(500) % 6, seeded_generator(0), held=nothing))
    assert float((source + target == 1).float().mean()) > 0.99
    assert float(source.mean()) == pytest.approx(augmentation.chance, abs=0.1), "drawn as ever"


@pytest.mark.parametrize("kind", ["RandomSolarize", "RandomRotation90", "RandomInvert"])
def test_of_kornia(kind: str) -> None:
    """Applied in half of all draws: an image that is left as it is has one value, whatever was drawn."""
    settings = {"RandomRotation90": {"times": [0, 3]}}.get(kind, {}) | {"p": 0.5}
    augmentations = Augmentations.named(["blur", f"kornia:{kind}"], {kind: settings})
    chosen = [{kind}, set(), {"blur"}, {"blur", kind}] * 40
    batch = pairs_of(augmentations).draw(torch.arange(160) % 6, seeded_generator(0), held=masks(chosen, augmentations.factors))
    same = batch.source_latents == batch.target_latents
    for name in augmentations.factors.names:
        assert same[:, augmentations.factors.slice(name)].all(dim=1).tolist() == [name in names for names in chosen]
    source, target = parameters_of(batch)
    assert torch.equal(source[::4, 1:], target[::4, 1:])


def test_parameters_that_no_latent_shows_are_no_other_value() -> None:
    augmentations = Augmentations((Steps(),))
    batch = pairs_of(augmentations).draw(torch.arange(300) % 6, seeded_generator(0), held=torch.zeros(300, 1, dtype=torch.bool))
    assert bool((batch.source_latents != batch.target_latents).all())
    counts = torch.stack([parameter.floor()[:, 0] for parameter in parameters_of(batch)], dim=1).long()
    found = (3 * counts[:, 0] + counts[:, 1]).bincount(minlength=9).view(3, 3)
    assert found.diagonal().sum() == 0 and bool((found + 50 * torch.eye(3) > 25).all()), "each of the others about as often"


def test_pairs_of_one_item_differ_from_each_other() -> None:
    augmentations = Augmentations((Crop(), Blur()))
    held = masks([{"crop"}] * 50, augmentations.factors)
    batch = pairs_of(augmentations).draw(torch.zeros(50, dtype=torch.long), seeded_generator(0), held=held)
    for latents in (batch.source_latents, batch.target_latents):
        assert all(len(column.unique()) > 45 for column in latents.T)


@pytest.mark.parametrize(
    ("augmentation", "name"),
    [(Flip(0.0), "flip"), (Flip(1.0), "flip"), (Blur((1.0, 1.0)), "blur"), (Crop((1.0, 1.0)), "crop"), (Steps(1), "steps")],
)
def test_a_factor_that_never_differs(augmentation: Augmentation, name: str) -> None:
    augmentations = Augmentations((augmentation,))
    pairs, nothing = pairs_of(augmentations), torch.zeros(8, augmentations.factors.width, dtype=torch.bool)
    with pytest.raises(DataError, match=f"the factor '{name}' has one value in all draws.*widen its range or chance"):
        pairs.draw(torch.arange(8) % 6, seeded_generator(0), held=nothing)
    batch = pairs.draw(torch.arange(8) % 6, seeded_generator(0), held=~nothing)
    assert torch.equal(batch.source_latents, batch.target_latents), "it can be held"


def test_a_factor_that_hardly_ever_differs_ends_all_the_same() -> None:
    rare = Augmentations((Flip(1e-3),))
    batch = pairs_of(rare).draw(torch.zeros(64, dtype=torch.long), seeded_generator(0), held=torch.zeros(64, 1, dtype=torch.bool))
    differ = int((batch.source_latents != batch.target_latents).sum())
    assert 0 < differ < 64


def test_no_pair_and_the_wrong_mask() -> None:
    empty = torch.zeros(0, OURS.width)
    assert (
        target_parameters(OURS, empty, empty, torch.zeros(0, OURS.factors.width, dtype=torch.bool), seeded_generator(0)).shape
        == empty.shape
    )
    with pytest.raises(InputError, match="a column for each number of"):
        pairs_of(OURS).draw(torch.arange(2), seeded_generator(0), held=torch.zeros(2, 1, dtype=torch.bool))
