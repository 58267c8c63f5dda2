"""What is drawn: inside its range, spread as stated, the same from the same seed."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from contextssl.data.augmentations import AUGMENTATIONS, Augmentation, Augmentations, Blur, Color, Crop, Flip, Grayscale, Rotate
from contextssl.errors import SettingsError
from contextssl.randomness import seeded_generator

MANY = 20_000


def draw(augmentation: Augmentation, count: int = MANY, seed: int = 0) -> torch.Tensor:
    return augmentation.draw(count, seeded_generator(seed, "test"))


def is_even(numbers: torch.Tensor, low: float, high: float) -> bool:
    """Kolmogorov and Smirnov's test against the uniform distribution."""
    return bool(stats.kstest(numbers.numpy(), "uniform", args=(low, high - low)).pvalue > 1e-3)


@pytest.mark.parametrize("kind", AUGMENTATIONS.values())
def test_one_seed_draws_one_thing(kind: type[Augmentation]) -> None:
    first, again, other = draw(kind(), 50), draw(kind(), 50), draw(kind(), 50, seed=1)
    assert first.shape == (50, len(kind.parameters)) and first.dtype == torch.float32
    assert torch.equal(first, again) and not torch.equal(first, other)


@given(st.floats(0, 5, width=32), st.floats(0, 5, width=32))
def test_draws_stay_inside_a_range(one: float, two: float) -> None:
    low, high = sorted((one, two))
    drawn = draw(Blur(sigma=(low, high)), 1000)
    assert float(drawn.min()) >= low and float(drawn.max()) <= high


def test_even_spread() -> None:
    assert is_even(draw(Blur())[:, 0], 0.1, 2.0)
    assert is_even(draw(Rotate())[:, 0], -180, 180)
    colors = draw(Color(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1))
    for column, (low, high) in zip(colors.T, [(0.6, 1.4), (0.7, 1.3), (0.8, 1.2), (-0.1, 0.1)], strict=True):
        assert is_even(column, low, high)


@pytest.mark.parametrize("augmentation", [Flip(), Flip(0.1), Flip(0.0), Flip(1.0), Grayscale(), Grayscale(0.9)])
def test_chances(augmentation: Flip | Grayscale) -> None:
    drawn = draw(augmentation)
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}
    chance = augmentation.chance
    assert abs(float(drawn.mean()) - chance) <= 4 * math.sqrt(chance * (1 - chance) / MANY)


@given(
    st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0)).map(lambda ends: (min(ends), max(ends))),
    st.tuples(st.floats(0.2, 1.0), st.floats(1.0, 5.0)),
)
def test_crops_keep_to_their_ranges(area: tuple[float, float], ratio: tuple[float, float]) -> None:
    top, left, height, width = draw(Crop(area, ratio), 500).T
    assert min(float(top.min()), float(left.min())) >= 0
    assert max(float((top + height).max()), float((left + width).max())) <= 1 + 1e-6
    assert area[0] * (1 - 1e-5) <= float((height * width).min()) and float((height * width).max()) <= area[1] * (1 + 1e-5)
    assert ratio[0] * (1 - 1e-5) <= float((width / height).min()) and float((width / height).max()) <= ratio[1] * (1 + 1e-5)


def test_crops_that_always_fit_are_even_in_area_log_ratio_and_place() -> None:
    top, left, height, width = draw(Crop(area=(0.1, 0.7))).T
    assert is_even(height * width, 0.1, 0.7)
    assert is_even((width / height).log(), math.log(3 / 4), math.log(4 / 3))
    assert is_even(top / (1 - height), 0, 1) and is_even(left / (1 - width), 0, 1)


def test_crops_are_spread_as_torchvisions_are() -> None:
    from torchvision.transforms import RandomResizedCrop

    # On an image of 10,000 px its whole pixels hardly show.
    image = torch.zeros(1, 1, 1).expand(1, 10_000, 10_000)
    theirs = torch.tensor([RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)]) / 10_000
    ours = draw(Crop())
    for column in range(4):
        assert stats.ks_2samp(ours[:, column].numpy(), theirs[:, column].numpy()).pvalue > 1e-3
    assert stats.ks_2samp(ours[:, 2:].prod(1).numpy(), theirs[:, 2:].prod(1).numpy()).pvalue > 1e-3


def test_a_box_that_hardly_ever_fits_takes_the_nearest_ratio() -> None:
    # Only squares have an area of one: no ratio drawn is exactly that.
    whole = draw(Crop(area=(1.0, 1.0), ratio=(0.5, 2.0)), 100)
    torch.testing.assert_close(whole, torch.tensor([0.0, 0, 1, 1]).expand(100, 4))
    wide = draw(Crop(area=(0.5, 0.5), ratio=(2.0, 8.0)), 100)
    torch.testing.assert_close(wide[:, 2:], torch.tensor([0.5, 1.0]).expand(100, 2))


@given(st.sets(st.sampled_from(sorted(AUGMENTATIONS)), min_size=1).flatmap(lambda names: st.permutations(sorted(names))))
def test_latents_have_mean_0_and_variance_1(names: list[str]) -> None:
    augmentations = Augmentations.named(names)
    latents = augmentations.latents(augmentations.draw(MANY, seeded_generator(7))).double()
    assert latents.shape == (MANY, augmentations.factors.width)
    # Six standard errors of either, and what 65,536 draws leave uncertain.
    torch.testing.assert_close(latents.mean(0), torch.zeros(latents.shape[1]).double(), atol=0.06, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(latents.shape[1]).double(), atol=0.06, rtol=0)


def test_what_does_not_vary_is_not_blown_up() -> None:
    augmentations = Augmentations((Blur(sigma=(1.0, 1.0)), Flip(chance=0.0), Crop(area=(0.25, 0.25), ratio=(1.0, 1.0))))
    latents = augmentations.latents(augmentations.draw(10, seeded_generator(0)))
    by_name = dict(zip([name for factor in augmentations.factors.factors for name in factor.components], latents.T, strict=True))
    for name in ("σ", "flipped", "height", "width", "log area"):
        assert float(by_name[name].abs().max()) < 1e-5  # the centre has six digits


@given(st.integers(0, 2**32))
def test_equal_parameters_are_no_action(seed: int) -> None:
    augmentations = Augmentations.named(list(AUGMENTATIONS))
    latents = augmentations.latents(augmentations.draw(4, seeded_generator(seed)))
    assert torch.equal(augmentations.factors.relative(latents, latents), torch.zeros_like(latents))


def test_half_turns_either_way_are_one() -> None:
    latents = Rotate().latents(torch.tensor([[180.0], [-180.0], [0.0], [90.0]]))
    torch.testing.assert_close(latents, torch.tensor([[-1.0, 0], [-1, 0], [1, 0], [0, 1]]))


def test_latents_of_a_crop() -> None:
    latents = Crop().latents(torch.tensor([0.1, 0.2, 0.5, 0.25]))
    torch.testing.assert_close(latents, torch.tensor([0.1, 0.2, 0.5, 0.25, math.log(0.125)]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crop(area=(1.0, 0.2)), r"crop area is the wrong way round: write \(0.2, 1\)"),
        (lambda: Crop(area=(0.2, 1.1)), r"crop area=\(0.2, 1.1\) must lie within 0.0001 to 1"),
        (lambda: Crop(area=(-0.2, 1.0)), "crop area=.*must lie within"),
        (lambda: Crop(area=(0.0, 1.0)), "crop area=.*must lie within"),
        (lambda: Crop(area=0.5), "crop area must be two numbers, low and high, not 0.5"),  # type: ignore[arg-type]
        (lambda: Crop(area=("a", 1)), "must be two numbers"),  # type: ignore[arg-type]
        (lambda: Crop(area=(0.2, math.nan)), "must be two numbers"),
        (lambda: Crop(ratio=(0.0, 1.0)), "crop ratio=.*must lie within"),
        (lambda: Crop(ratio=(2.0, 3.0)), "crop area up to 1 fits no box of ratio 2 to 3: let the area end at 0.5"),
        (lambda: Crop(ratio=(0.25, 0.5)), "let the area end at 0.5"),
        (lambda: Blur(sigma=(2.0, 0.1)), "blur sigma is the wrong way round"),
        (lambda: Blur(sigma=(-1.0, 2.0)), "blur sigma=.*must lie within 0 to 20"),
        (lambda: Blur(sigma=(0.0, 200.0)), "blur sigma=.*must lie within 0 to 20"),
        (lambda: Color(brightness=-0.1), "color brightness must be a number from 0 to 1, not -0.1"),
        (lambda: Color(contrast=1.5), "color contrast"),
        (lambda: Color(saturation=True), "color saturation"),
        (lambda: Color(hue=0.6), "color hue must be a number from 0 to 0.5, not 0.6"),
        (lambda: Flip(chance=2.0), "flip chance must be a number from 0 to 1, not 2.0"),
        (lambda: Grayscale(chance="often"), "grayscale chance must be a number"),  # type: ignore[arg-type]
        (lambda: Rotate(degrees=(90.0, -90.0)), "rotate degrees is the wrong way round"),
        (lambda: Rotate(degrees=(-400.0, 0.0)), "rotate degrees=.*must lie within -360 to 360"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_ranges_that_cannot_be(make: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()  # type: ignore[operator]
