from __future__ import annotations

import pytest
import torch

from contextssl.errors import InputError, SettingsError
from contextssl.models.image_input import check_statistics
from tests.models.test_contextssl import images, small

MESSAGE = r"lie in 0 to 1 .*pass uint8 images, or normalise these: images = \(images - model.image_mean\) / model.image_std"


@pytest.mark.parametrize("made", [lambda x: x / 255, lambda x: x.half() / 255, lambda x: 1.04 * x / 255 - 0.02])
def test_images_of_zero_to_one_are_not_taken_for_normalised(made: object) -> None:
    """As ToTensor gives them, in half precision, and a little beyond by interpolation; at every entry."""
    model, floats = small(), made(images(4))  # type: ignore[operator]
    action = torch.zeros(4, 6)
    for use in (
        lambda: model.encode(floats),
        lambda: model.embed(floats),
        lambda: model.predict(floats, action),
        lambda: model.context(floats, action, floats),
    ):
        with pytest.raises(InputError, match=MESSAGE):
            use()


def test_the_mend_that_is_named_gives_what_uint8_gives() -> None:
    model, floats = small(), images(4) / 255
    assert model.image_mean is not None and model.image_std is not None
    torch.testing.assert_close(model.embed((floats - model.image_mean) / model.image_std), model.embed(images(4)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_images_without_content_pass(level: float) -> None:
    """A normalised image of one grey may lie anywhere."""
    assert small().encode(torch.full((2, 3, 8, 8), level)).shape == (2, 12)


def test_a_single_normalised_image_passes() -> None:
    model = small()
    assert model.image_mean is not None and model.image_std is not None
    for seed in range(20):
        x = images(1, seed) / 255
        model.encode((x - model.image_mean) / model.image_std)


def test_where_the_two_are_the_same_nothing_is_refused() -> None:
    floats = images(2) / 255
    same = small(image_mean=(0.0, 0.0, 0.0), image_std=(1.0, 1.0, 1.0))
    torch.testing.assert_close(same.encode(floats), same.encode(images(2)))
    assert small(image_mean=None, image_std=None).encode(floats).shape == (2, 12)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((127.0, 127.0, 127.0), (25.0, 25.0, 25.0), "in units of 0 to 1, not of 0 to 255; divide them by 255"),
        ((0.5, 0.5, 0.5), (25.0, 25.0, 25.0), "divide them by 255"),
        ((-0.5, 0.5, 0.5), (0.1, 0.1, 0.1), "in units of 0 to 1"),
        ((0.5, float("nan"), 0.5), (0.1, 0.1, 0.1), "finite mean"),
        ((0.5, 0.5, 0.5), (0.1,), "3 numbers and image_std 1"),
        ((0.5,), None, "go together"),
    ],
)
def test_statistics_that_cannot_be(mean: tuple[float, ...], std: tuple[float, ...] | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_statistics(mean, std)
