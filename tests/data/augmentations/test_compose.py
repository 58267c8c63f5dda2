"""Several augmentations as one: names, order, parameters, what is stored, a user's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.augmentations import AUGMENTATIONS, Augmentation, Augmentations, Blur, Color, Crop, Flip
from contextssl.data.augmentations.compose import KINDS
from contextssl.errors import InputError, SettingsError
from contextssl.randomness import seeded_generator

listings = st.sets(st.sampled_from(sorted(AUGMENTATIONS)), min_size=1).flatmap(lambda names: st.permutations(sorted(names)))


@dataclass(frozen=True)
class Solarize(Augmentation):
    """Levels above a threshold are inverted: a user's own augmentation, whole."""

    name: ClassVar = "solarize"
    parameters: ClassVar = ("threshold",)
    identity: ClassVar[tuple[float, ...]] = (2.0,)

    threshold: tuple[float, float] = (0.5, 1.0)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.empty(count, 1).uniform_(*self.threshold, generator=generator)

    def apply(self, images: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        return torch.where(images >= parameters[:, :, None, None], 1 - images, images)

    def words(self, parameters: torch.Tensor) -> str:
        return f"solarized above {float(parameters[0]):.1f}" if parameters[0] <= 1 else ""


@dataclass(frozen=True)
class Crooked(Solarize):
    """Draws a column too many."""

    name: ClassVar = "crooked"

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(count, 2, generator=generator)


@dataclass(frozen=True)
class Restless(Solarize):
    name: ClassVar = "restless"
    identity: ClassVar = (2.0, 2.0)


class Unfinished(Augmentation):
    name: ClassVar = "unfinished"


NOT_ONE = 3
OWN = f"{__name__}:Solarize"


def noise(count: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 16, 16), generator=seeded_generator(0), dtype=torch.uint8)


def test_the_readme_case() -> None:
    augmentations = Augmentations.named(["crop", "blur"])
    assert augmentations.factors.names == ("crop", "blur") and augmentations.factors.width == 6 and augmentations.width == 5
    assert augmentations.factors["crop"].components == ("top", "left", "height", "width", "log area")
    parameters = augmentations.draw(4, seeded_generator(0))
    assert augmentations.latents(parameters).shape == (4, 6) and augmentations.latents(parameters).dtype == torch.float32
    assert augmentations.words(torch.tensor([0.1, 0.1, 0.5, 0.8, 1.42])) == "crop 40 %, blur σ 1.4"


@given(listings, st.integers(0, 1000))
def test_the_order_of_the_list_is_that_of_the_factors_and_changes_no_image(names: list[str], seed: int) -> None:
    augmentations, sorted_ones = Augmentations.named(names), Augmentations.named(sorted(names))
    assert augmentations.factors.names == tuple(names)
    parameters = augmentations.draw(3, seeded_generator(seed))
    widths = {name: len(AUGMENTATIONS[name].parameters) for name in names}
    blocks = dict(zip(names, parameters.split(list(widths.values()), dim=1), strict=True))
    other = torch.cat([blocks[name] for name in sorted(names)], dim=1)
    assert torch.equal(augmentations.apply(noise(3), parameters), sorted_ones.apply(noise(3), other))
    step_by_step = noise(3).float() / 255
    for name in [name for name in AUGMENTATIONS if name in names]:
        step_by_step = AUGMENTATIONS[name]().apply(step_by_step, blocks[name])
    assert torch.equal(augmentations.apply(noise(3), parameters), (step_by_step * 255).round().clamp(0, 255).to(torch.uint8))


@given(listings, st.data(), st.integers(0, 1000))
def test_redraw_changes_one_factor(names: list[str], data: st.DataObject, seed: int) -> None:
    augmentations = Augmentations.named(names)
    name = data.draw(st.sampled_from(names))
    parameters = augmentations.draw(64, seeded_generator(seed))
    redrawn = augmentations.redraw(parameters, name, seeded_generator(seed, "again"))
    start = sum(len(AUGMENTATIONS[other].parameters) for other in names[: names.index(name)])
    block = torch.zeros(augmentations.width, dtype=torch.bool)
    block[start : start + len(AUGMENTATIONS[name].parameters)] = True
    assert torch.equal(redrawn[:, ~block], parameters[:, ~block])
    assert not torch.equal(redrawn[:, block], parameters[:, block])
    action = augmentations.factors.relative(augmentations.latents(parameters), augmentations.latents(redrawn))
    active = augmentations.factors.mask(name)
    assert bool((action[:, ~active] == 0).all()) and bool((action[:, active] != 0).any())


@given(listings, st.integers(0, 1000))
def test_a_description_makes_the_same_again(names: list[str], seed: int) -> None:
    augmentations = Augmentations.named(names, {"crop": {"area": [0.3, 0.9]}} if "crop" in names else {})
    described = json.loads(json.dumps(augmentations.description))
    ranges = {each["name"]: each["ranges"] for each in described["augmentations"]}
    built = Augmentations.named(list(ranges), ranges)
    again = Augmentations(built.augmentations, tuple(described["centre"]), tuple(described["scale"]))
    assert again == augmentations
    parameters = augmentations.draw(5, seeded_generator(seed))
    assert torch.equal(again.draw(5, seeded_generator(seed)), parameters)
    assert torch.equal(again.latents(parameters), augmentations.latents(parameters))


def test_constants_that_are_given_are_kept() -> None:
    augmentations = Augmentations((Blur(),), centre=(1.0,), scale=(2.0,))
    torch.testing.assert_close(augmentations.latents(torch.tensor([[3.0], [1.0]])), torch.tensor([[1.0], [0.0]]))
    assert Augmentations((Blur(),), scale=(2.0,)).centre == Augmentations((Blur(),)).centre
    assert (augmentations.description["centre"], augmentations.description["scale"]) == ([1.0], [2.0])


def test_latents_take_any_number_of_leading_dimensions() -> None:
    augmentations = Augmentations.named(list(AUGMENTATIONS))
    parameters = augmentations.draw(6, seeded_generator(0))
    latents = augmentations.latents(parameters)
    assert torch.equal(augmentations.latents(parameters.view(2, 3, -1)), latents.view(2, 3, -1))
    assert torch.equal(augmentations.latents(parameters[0]), latents[0])


def test_autocast_and_precision_change_nothing() -> None:
    augmentations = Augmentations.named(list(AUGMENTATIONS))
    parameters = augmentations.draw(4, seeded_generator(0))
    plain = augmentations.apply(noise(), parameters)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmentations.apply(noise(), parameters), plain)


def test_a_users_own_augmentation() -> None:
    augmentations = Augmentations((Solarize(), Crop(), Blur()))
    assert augmentations.factors.names == ("solarize", "crop", "blur")
    assert augmentations.factors["solarize"].components == ("threshold",)
    images, parameters = noise(), augmentations.draw(4, seeded_generator(0))
    moved = Augmentations((Crop(), Blur()))
    # It comes after ours, whatever the list says.
    expected = Solarize().apply(moved.apply(images, parameters[:, 1:]).float() / 255, parameters[:, :1])
    apart = (augmentations.apply(images, parameters).int() - (expected * 255).round().int()).abs()
    assert float((apart > 1).float().mean()) < 0.02  # what lay at the threshold between two levels
    assert torch.equal(augmentations.apply(images, augmentations.identity.expand(4, -1)), images)
    assert augmentations.words(parameters[0]).startswith("solarized above")


@pytest.mark.parametrize("key", [OWN, "solarize"])
def test_a_users_own_augmentation_by_name(key: str) -> None:
    augmentations = Augmentations.named(["blur", OWN], {key: {"threshold": [0.1, 0.2]}})
    own = augmentations.augmentations[1]
    assert isinstance(own, Solarize) and own.threshold == (0.1, 0.2)
    assert augmentations.description["augmentations"][1] == {"name": OWN, "ranges": {"threshold": [0.1, 0.2]}}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Augmentations(()), "there is no augmentation: name at least one of crop, flip"),
        (lambda: Augmentations.named([]), "there is no augmentation"),
        (lambda: Augmentations((Crop(), Blur(), Crop())), "augmentation listed twice: crop; list each once"),
        (lambda: Augmentations.named(["blur", "blur"]), "listed twice: blur"),
        (lambda: Augmentations.named("crop"), r"must be a list of names, such as \[crop, blur\], not 'crop'"),
        (lambda: Augmentations.named(["crpo"]), "unknown augmentation 'crpo': did you mean 'crop'"),
        (lambda: Augmentations.named(["crop"], {"blur": {}}), "ranges are given for 'blur', which is not among the augmentations"),
        (lambda: Augmentations.named(["crop"], {"crop": {"aera": (0.2, 1)}}), "'crop' has no range 'aera': did you mean 'area'"),
        (lambda: Augmentations.named(["crop"], {"crop": {"area": [1.0, 0.2]}}), "crop area is the wrong way round"),
        (lambda: Augmentations.named(["no.such.module:Blur"]), "'no.such.module:Blur' cannot be imported.*No module named"),
        (lambda: Augmentations.named([f"{__name__}:Polarize"]), "Polarize' cannot be imported.*no attribute 'Polarize'"),
        (lambda: Augmentations.named([":Blur"]), "':Blur' is not of the form 'package.module:name'"),
        (lambda: Augmentations.named([f"{__name__}:NOT_ONE"]), "is no class derived from"),
        (lambda: Augmentations.named(["builtins:dict"]), "is no class derived from"),
        (lambda: Augmentations.named([f"{__name__}:Unfinished"]), "lacks apply, draw, words, parameters, identity"),
        (lambda: Augmentations((Crooked(),)), r"'crooked': its draw of 65536 images must have shape \(65536, 1\).*not \(65536, 2\)"),
        (lambda: Augmentations((Restless(),)), "'restless' names 1 parameters, but its identity has 2 numbers"),
        (lambda: Augmentations((Blur(),), (0.0, 1.0), (1.0,)), "latents of blur are 1 numbers, but centre has 2 and scale 1"),
        (lambda: Augmentations((Blur(),), (0.0,), (0.0,)), "scale of the latents must be above 0"),
    ],
)
def test_what_cannot_be(make: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()  # type: ignore[operator]


def test_unknown_factors_are_not_redrawn() -> None:
    augmentations = Augmentations((Color(), Flip()))
    with pytest.raises(SettingsError, match="unknown factor 'colour'.*did you mean 'color'"):
        augmentations.redraw(augmentations.draw(2, seeded_generator(0)), "colour", seeded_generator(1))


@pytest.mark.parametrize(
    ("images", "parameters", "message"),
    [
        (torch.zeros(2, 3, 8, 8), torch.ones(2, 1), r"images must be uint8 \(n, C, H, W\).*not torch.float32"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), torch.ones(2, 1), "with 1 or 3 channels"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), torch.ones(3, 1), "images must be uint8"),
        (
            torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
            torch.ones(3, 1),
            r"parameters of 2 images by blur must be float32 \(2, 1\).*\(3, 1\)",
        ),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.ones(2, 2), "parameters of 2 images"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.ones(2, 1).double(), "not torch.float64"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.full((2, 1), torch.nan), "not all finite"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_images_and_parameters_that_do_not_agree(images: torch.Tensor, parameters: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmentations((Blur(),), (0.0,), (1.0,)).apply(images, parameters)


def test_no_image_is_no_view() -> None:
    augmentations = Augmentations.named(list(AUGMENTATIONS))
    views = augmentations.apply(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), augmentations.draw(0, seeded_generator(0)))
    assert views.shape == (0, 3, 8, 8)


def test_constants_are_those_of_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(Augmentations.named(list(AUGMENTATIONS)).description)
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_an_installed_augmentation_is_named_without_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "theirs-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[contextssl.augmentations]\nsolarize = {OWN}\nnothing = {__name__}:NOT_ONE\n")
    monkeypatch.syspath_prepend(tmp_path)
    KINDS.__dict__.pop("_installed", None)
    try:
        augmentations = Augmentations.named(["crop", "solarize"], {"solarize": {"threshold": [0.1, 0.2]}})
        assert isinstance(augmentations.augmentations[1], Solarize) and augmentations.own_code is not None
        with pytest.raises(SettingsError, match="'nothing' is no class derived from"):
            Augmentations.named(["nothing"])
    finally:
        KINDS.__dict__.pop("_installed", None)
