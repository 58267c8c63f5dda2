"""kornia's augmentations as factors: every one of them, either recorded whole and made again, or refused with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.augmentation_settings import augmentations_of
from contextssl.data.augmentations import Augmentations, FromKornia
from contextssl.data.augmentations.from_kornia import names
from contextssl.errors import InputError, SettingsError
from contextssl.randomness import seeded_generator

SHAPE = (3, 32, 32)
# What those that have no usual one are given.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": [32, 32]},
    "Denormalize": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "LongestMaxSize": {"max_size": 32},
    "Normalize": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "PadTo": {"size": [32, 32]},
    "RandomAffine": {"degrees": 20.0, "translate": [0.1, 0.1], "scale": [0.8, 1.2], "shear": 10.0},
    "RandomAutoContrast": {"p": 0.5},
    "RandomBrightness": {"brightness": [0.7, 1.3]},
    "RandomClahe": {"clip_limit": [1.0, 40.0]},
    "RandomContrast": {"contrast": [0.7, 1.3]},
    "RandomGamma": {"gamma": [0.7, 1.4], "gain": [0.8, 1.2]},
    "RandomGaussianBlur": {"kernel_size": [5, 5], "sigma": [0.1, 2.0]},
    "RandomHue": {"hue": [-0.2, 0.2]},
    "RandomRain": {"number_of_drops": [10, 10], "drop_height": [3, 6], "drop_width": [-2, 2]},
    "RandomSaturation": {"saturation": [0.5, 1.5]},
    "RandomSnow": {"snow_coefficient": [0.2, 0.6], "brightness": [1.5, 2.5]},
    "RandomCrop": {"size": [32, 32], "padding": 4},
    "RandomFisheye": {"center_x": [-0.3, 0.3], "center_y": [-0.3, 0.3], "gamma": [0.9, 1.1]},
    "RandomMotionBlur": {"kernel_size": 5, "angle": 35.0, "direction": 0.5},
    "RandomPosterize": {"bits": [3, 6]},
    "RandomResizedCrop": {"size": [32, 32]},
    "RandomRotation": {"degrees": 30.0},
    "RandomRotation90": {"times": [-1, 2]},
    "RandomShear": {"shear": [-20.0, 20.0]},
    "RandomTranslate": {"translate_x": [-0.2, 0.2], "translate_y": [-0.2, 0.2]},
    "ColorJitter": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.1},
    "ColorJiggle": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.1},
    "Resize": {"size": [32, 32]},
    "SmallestMaxSize": {"max_size": 32},
}
DOCS = Path(__file__).parents[3] / "docs/photos.md"


def listed(heading: str) -> set[str]:
    """The augmentations that docs/photos.md names in the paragraph or table row that starts so."""
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith(heading)]
    assert lines, heading
    return {name for line in lines for name in re.findall(r"`(\w+)`", line.removeprefix(heading))}


WORKING = listed("**Factors**: ")
REFUSED = listed("| refused: ")


def test_the_documentation_lists_all_of_them() -> None:
    assert {*names()} == WORKING | REFUSED and not WORKING & REFUSED


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_cannot_be_told_is_refused_with_the_documented_reason(kind: str) -> None:
    (row,) = [line for line in DOCS.read_text().splitlines() if line.startswith("| refused: ") and f"`{kind}`" in line]
    reason = row.split("|")[2].strip().replace("…", "")
    with pytest.raises(SettingsError, match=rf"kornia:{kind} (is no factor: .*|.*){re.escape(reason)}"):
        FromKornia(kind, ARGUMENTS.get(kind, {}))


@pytest.mark.parametrize("kind", sorted(WORKING))
def test_a_view_comes_again_from_its_latents_alone(kind: str) -> None:
    augmentations = Augmentations((FromKornia(kind, ARGUMENTS.get(kind, {})),))
    (augmentation,) = augmentations.augmentations
    before = torch.get_rng_state()
    parameters = augmentations.draw(48, seeded_generator(0, "draw"))
    images = torch.randint(0, 256, (48, *SHAPE), generator=seeded_generator(0), dtype=torch.uint8)
    views = augmentations.apply(images, parameters)
    assert torch.equal(torch.get_rng_state(), before), "nothing is drawn from the global stream"
    assert not torch.equal(views, images) and torch.equal(views, augmentations.apply(images, parameters))
    assert torch.equal(augmentations.apply(images, augmentations.identity.expand(48, -1)), images)
    for alone in (slice(5, 6), slice(40, 48)):
        assert torch.equal(views[alone], augmentations.apply(images[alone], parameters[alone])), "whatever else is in the batch"
    # Whatever no latent tells is the same in all views that are changed.
    latents, many = augmentations.latents(parameters), augmentations.draw(2000, seeded_generator(1, "draw"))
    places = augmentation.latents(torch.arange(augmentations.width).float()).long().tolist()
    again = many[many[:, 0] > 0.5][:1].expand(48, -1).clone()
    numbers = latents * torch.tensor(augmentations.scale) + torch.tensor(augmentations.centre)
    for column in range(augmentations.width):
        same = [place for place in places if torch.equal(many[:, place], many[:, column])]
        if same:
            again[:, column] = numbers[:, places.index(same[0])]
    changed = (again[:, 0] - parameters[:, 0]).abs().max() < 1e-4
    assert changed, "whether an image was changed is recorded, or always so"
    apart = (augmentations.apply(images, again).int() - views.int()).abs()
    # The centre has six digits; a number that falls to the other side of a threshold changes a few pixels.
    assert float((apart > 2).float().mean()) < 0.02
    assert abs(float(augmentations.latents(many).mean())) < 0.2 and float(augmentations.latents(many).std(dim=0).max()) < 1.3


def test_arguments_come_from_the_words_of_the_command_line() -> None:
    words = ["dataset=images", "data_dir=photos", "resolution=16", "factors=[crop,kornia:RandomSolarize,kornia:RandomErasing]"]
    settings = settings_from("train", TrainSettings, [*words, "augmentation_settings={RandomSolarize:{p:0.3,thresholds:[0.2,0.4]}}"])
    augmentations = augmentations_of(settings)
    assert augmentations.factors.names == ("crop", "RandomSolarize", "RandomErasing")
    assert augmentations.factors["RandomSolarize"].components == ("applied", "thresholds", "additions")
    solarize, erasing = augmentations.augmentations[1:]
    drawn = solarize.draw(2000, seeded_generator(0))
    assert abs(float(drawn[:, 0].mean()) - 0.3) < 0.05
    assert float(drawn[:, 1].min()) >= 0.2 and float(drawn[:, 1].max()) <= 0.4
    # Of an image that is left as it is, no number says anything.
    assert torch.equal(drawn[drawn[:, 0] == 0], torch.tensor(solarize.identity).expand(int((drawn[:, 0] == 0).sum()), -1))
    assert solarize.words(drawn[drawn[:, 0] == 1][0]).startswith("RandomSolarize thresholds 0.")
    # Boxes are drawn in the pixels of these images.
    assert erasing.ranges["shape"] == [3, 16, 16] and float(erasing.draw(500, seeded_generator(0))[:, 1:3].max()) <= 16
    assert augmentations.description["augmentations"][1]["name"] == "kornia:RandomSolarize"
    assert augmentations.own_code is None


def test_one_seed_draws_one_thing() -> None:
    erasing = FromKornia("RandomErasing")
    first, again, other = (erasing.draw(20, seeded_generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert erasing.draw(0, seeded_generator(0)).shape == (0, len(erasing.parameters))


@pytest.mark.parametrize(
    ("name", "ranges", "message"),
    [
        ("kornia:RandomSolarise", {}, "unknown augmentation kornia:RandomSolarise: did you mean 'RandomSolarize'"),
        ("kornia:RandomMixUpV2", {}, "kornia:RandomMixUpV2 is no augmentation that changes single images"),
        ("kornia:AugmentationSequential", {}, "is no augmentation that changes single images"),
        (
            "kornia:RandomAffine",
            {},
            r"RandomAffine cannot be made: .*'degrees'; its arguments are given by 'augmentation_settings={RandomAffine:",
        ),
        ("kornia:RandomSolarize", {"treshold": 0.1}, "RandomSolarize takes no 'treshold': did you mean 'thresholds'"),
        ("kornia:RandomSolarize", {"p": 2}, "p of RandomSolarize must be a number from 0 to 1"),
        ("kornia:RandomSolarize", {"p": 0}, "does the same to every image"),
        ("kornia:RandomInvert", {"p": 1}, "does the same to every image"),
        ("kornia:RandomSolarize", {"same_on_batch": True}, "takes no 'same_on_batch'"),
        ("kornia:RandomCrop", {"size": [16, 16]}, "is no factor: it makes images of 3 × 16 × 16"),
        (
            "kornia:RandomMotionBlur",
            {"kernel_size": [3, 9], "angle": 3.0, "direction": 0.5},
            "its ksize_factor is drawn once for a whole batch",
        ),
    ],
)
def test_what_cannot_be(name: str, ranges: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Augmentations.named([name], {name: ranges})


def test_other_images_than_it_was_made_for() -> None:
    augmentations = Augmentations.named(["kornia:RandomErasing"])
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(InputError, match="RandomErasing was made for images of 3 × 32 × 32 .*, not 3 × 16 × 16"):
        augmentations.apply(images, augmentations.draw(2, seeded_generator(0)))
    fitted = augmentations.for_images((3, 16, 16))
    assert fitted.centre != augmentations.centre
    assert fitted.apply(images, fitted.draw(2, seeded_generator(0))).shape == images.shape


def test_settings_of_our_own_augmentations_stay_where_they_are() -> None:
    words = ["dataset=images", "data_dir=photos", "augmentation_settings={crop:{area:[0.5,1]}}"]
    with pytest.raises(SettingsError, match="augmentation_settings: crop has settings of its own, crop_area, crop_ratio"):
        augmentations_of(settings_from("train", TrainSettings, words))
