"""Any augmentation of kornia that records what it drew, as a factor: ``kornia:RandomSolarize``.

Its parameters are what kornia records of each image, and before them whether the image is changed at all, which is drawn here. A few images
are changed once, when it is made: what would not come again from these numbers alone is refused, with the reason.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import kornia.augmentation as theirs
import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.augmentations.augmentation import Augmentation, checked_number, per_image
from contextssl.errors import InputError, SettingsError, nearest
from contextssl.named_code import KORNIA
from contextssl.randomness import DrawingFrom, seeded_generator

USUAL_SHAPE = (3, 32, 32)
# More numbers per image than this are an image of noise, not a factor.
MOST_NUMBERS = 64
# What kornia draws once for a whole batch and is fixed here: the order of ColorJitter's four steps; whose kernel RandomMotionBlur takes for all.
HELD: Mapping[str, tuple[int, ...]] = {"order": (0, 1, 2, 3), "idx": (0,)}
# Arguments that make the images of a batch depend on each other, or give another shape.
NOT_TAKEN = ("same_on_batch", "p_batch", "keepdim", "return_transform")
# What kornia records in addition to numbers: whether an image is changed, the shape of the batch, and the image's place in it.
OF_THE_BATCH = ("batch_prob", "forward_input_shape", "batch_idx")
# Images that are tried, and draws that show which numbers vary.
TRIED, DRAWS = 5, 4096
# The greatest difference of an image changed in a batch and alone: a quarter of a level.
TOLERANCE = 0.25 / 255
REFUSED = {"RandomDissolving": "it would download a diffusion model"}


@dataclass(frozen=True)
class Recorded:
    """What kornia records of an image.

    Attributes:
        shapes, dtypes: of each recorded tensor, without the images' dimension, and as kornia wants it back.
        fixed: what is recorded once for all images.
        names: of the numbers, side by side.
        usual: a draw near the middle of all, which stands for those of an image that is left as it is.
        varying: places of the numbers that vary, each once.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, torch.dtype]
    fixed: Mapping[str, Any]
    names: tuple[str, ...] = ()
    usual: tuple[float, ...] = ()
    varying: tuple[int, ...] = ()

    def numbers(self, drawn: Mapping[str, Any]) -> Float[Tensor, "n numbers"]:
        """Side by side, float32."""
        blocks = [drawn[key].float().flatten(1) if drawn[key].ndim > 1 else drawn[key].float()[:, None] for key in self.shapes]
        return torch.cat([torch.zeros(len(drawn["batch_prob"]), 0), *blocks], dim=1)

    def drawn(self, numbers: Float[Tensor, "n numbers"], shape: tuple[int, ...]) -> dict[str, Any]:
        """As kornia takes them, for images of a shape (n, C, H, W)."""
        blocks = numbers.split([torch.Size(shape).numel() for shape in self.shapes.values()], dim=1)
        given = {
            key: block.reshape(len(numbers), *self.shapes[key]).to(self.dtypes[key]) for key, block in zip(self.shapes, blocks, strict=True)
        }
        fixed = {key: value.to(numbers.device) if isinstance(value, Tensor) else value for key, value in self.fixed.items()}
        place = torch.arange(shape[0], device=numbers.device)[:, None]
        return {**fixed, **given, **dict(zip(OF_THE_BATCH, (torch.ones_like(place[:, 0]), torch.tensor(shape), place), strict=True))}


@dataclass(frozen=True)
class FromKornia(Augmentation):
    """One augmentation of kornia.

    An image is changed by the same numbers to the same pixels: on a CPU bit for bit, alone or in any batch. kornia promises no order of its
    sums, so that on a GPU a pixel may be another by a level in another batch. Raises SettingsError for an unknown name or argument, and where views
    could not be made again from its parameters, saying why.

    Args:
        kind: its name in ``kornia.augmentation``, which is the factor's too; ``settings`` are its arguments, plain JSON values.
        shape: (C, H, W) of the images: kornia draws boxes and shifts in pixels.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    shape: tuple[int, int, int] = USUAL_SHAPE

    def __post_init__(self) -> None:
        recorded = self._recorded
        chance = "applied" if 0 < self.chance < 1 else None
        varying = tuple(recorded.names[place] for place in recorded.varying)
        if not self.chance or not (varying or chance):
            raise SettingsError(f"{KORNIA}{self.kind} does the same to every image, so it has no latents")
        object.__setattr__(self, "name", self.kind)
        object.__setattr__(self, "parameters", ("applied", *recorded.names))
        object.__setattr__(self, "identity", (0.0, *recorded.usual))
        object.__setattr__(self, "components", (chance, *varying) if chance else varying)

    @property
    def chance(self) -> float:
        """The probability that an image is changed: ``p`` of the settings."""
        usual = inspect.signature(_class(self.kind)).parameters.get("p")
        return checked_number(f"p of {self.kind}", self.settings.get("p", 1.0 if usual is None else usual.default), 0.0, 1.0)

    @property
    def ranges(self) -> dict[str, Any]:
        return {**self.settings, "shape": list(self.shape)}

    def for_images(self, shape: tuple[int, int, int]) -> FromKornia:
        return replace(self, shape=shape)

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        if not count:
            return torch.empty(0, len(self.parameters))
        changed = torch.rand(count, 1, generator=generator) < self.chance
        numbers = self._recorded.numbers(_draw(self._module("cpu"), count, self.shape, generator))
        # Numbers that no pixel shows are no action.
        return torch.where(changed, torch.cat([torch.ones(count, 1), numbers], dim=1), torch.tensor(self.identity))

    def apply(self, images: Float[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> Float[Tensor, "n C H W"]:
        if images.shape[1:] != self.shape:
            shapes = [" × ".join(map(str, shape)) for shape in (self.shape, images.shape[1:])]
            raise InputError(f"{KORNIA}{self.kind} was made for images of {shapes[0]} (channels, height, width), not {shapes[1]}")
        drawn = self._recorded.drawn(parameters[:, 1:], tuple(images.shape))
        changed = self._module(str(images.device))(images.contiguous(), params=drawn)
        return torch.where(per_image(parameters[:, 0]) > 0.5, changed.clamp(0, 1), images)

    def latents(self, parameters: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch W"]:
        places = [1 + place for place in self._recorded.varying]
        return parameters[..., ([0] if len(self.components) > len(places) else []) + places]

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        if parameters[0] <= 0.5:
            return ""
        words = [f"{self._recorded.names[place]} {float(parameters[1 + place]):.2g}" for place in self._recorded.varying]
        return f"{self.kind} {', '.join(words[:4])}{' …' if len(words) > 4 else ''}".strip()

    @property
    def _recorded(self) -> Recorded:
        return _recorded(self.kind, json.dumps(self.settings, sort_keys=True), self.shape)

    def _module(self, device: str) -> Any:
        return _module(self.kind, json.dumps(self.settings, sort_keys=True), device)


def names() -> list[str]:
    """Of all augmentations of single images that kornia has, whether they can be factors or not."""
    kinds = {name: getattr(theirs, name) for name in theirs.__all__ if "Base" not in name}
    return sorted(name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, theirs.AugmentationBase2D))


def _class(kind: str) -> Any:
    if kind in names():
        return getattr(theirs, kind)
    if hasattr(theirs, kind):
        raise SettingsError(f"{KORNIA}{kind} is no augmentation that changes single images by themselves")
    raise SettingsError(f"unknown augmentation {KORNIA}{kind}: {nearest(kind, names())}")


@lru_cache(maxsize=64)
def _module(kind: str, settings: str, device: str) -> Any:
    """kornia's own, which changes every image that it is given."""
    made = _class(kind)
    if kind in REFUSED:
        raise SettingsError(f"{KORNIA}{kind} is no factor: {REFUSED[kind]}")
    taken = inspect.signature(made).parameters
    known = [name for name in taken if name not in NOT_TAKEN]
    given = json.loads(settings)
    for name in given:
        if name not in known:
            raise SettingsError(f"{KORNIA}{kind} takes no {name!r}: {nearest(name, known)}")
    try:
        values = {name: torch.tensor(value) if taken[name].annotation is Tensor else _tuples(value) for name, value in given.items()}
        return made(**values | ({"p": 1.0} if "p" in known else {})).to(device)
    except Exception as error:
        raise SettingsError(
            f"{KORNIA}{kind} cannot be made: {error}; its arguments are given by 'augmentation_settings={{{kind}:{{argument:value}}}}'"
        ) from error


def _tuples(value: Any) -> Any:
    """Tuples in place of the lists of JSON and YAML."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _draw(module: Any, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Any:
    with DrawingFrom(generator):
        return module.forward_parameters((count, *shape))


@lru_cache(maxsize=64)
@torch.no_grad()
def _recorded(kind: str, settings: str, shape: tuple[int, int, int]) -> Recorded:
    """What is recorded of an image, once it is seen that views come again from it."""
    module = _module(kind, settings, "cpu")
    try:
        recorded = _with_spread(_told(module, shape), module, shape)
        _try(module, recorded, shape)
    except _NoFactor as error:
        raise SettingsError(f"{KORNIA}{kind} is no factor: {error}") from None
    except Exception as error:
        where = f"on images of {' × '.join(map(str, shape))} (channels, height, width)"
        raise SettingsError(f"{KORNIA}{kind} is no factor: {where} it fails: {error}") from error
    return recorded


class _NoFactor(Exception):
    """Why views could not be made again."""


def _told(module: Any, shape: tuple[int, int, int]) -> Recorded:
    """The layout of what is recorded, the same in every draw."""
    drawn = [_draw(module, TRIED, shape, seeded_generator(seed, "kornia")) for seed in range(4)]
    shapes, dtypes, fixed = {}, {}, {}
    for key, value in drawn[0].items():
        if key in OF_THE_BATCH:
            continue
        again = [each[key] for each in drawn]
        of_images = isinstance(value, Tensor) and value.ndim > 0 and len(value) == TRIED
        if key in HELD and len(value) != TRIED:
            fixed[key] = torch.tensor(HELD[key])
            continue
        if of_images and any(other.shape != value.shape for other in again):
            raise _NoFactor(f"its {key} is not the same count of numbers in every draw")
        varies = any(not (torch.equal(value, other) if isinstance(value, Tensor) else value == other) for other in again)
        if varies and not (of_images and any(_varies(other) for other in again)):
            raise _NoFactor(f"its {key} is drawn once for a whole batch")
        if not of_images:
            fixed[key] = value
        elif value[0].numel() > MOST_NUMBERS:
            raise _NoFactor(f"its {key} is {value[0].numel()} numbers per image")
        else:
            shapes[key], dtypes[key] = tuple(value.shape[1:]), value.dtype
    return Recorded(shapes, dtypes, fixed)


def _varies(numbers: Tensor) -> bool:
    """Whether they are not the same for all images."""
    return not torch.equal(numbers, numbers[:1].expand_as(numbers))


def _with_spread(recorded: Recorded, module: Any, shape: tuple[int, int, int]) -> Recorded:
    """Names of the numbers, a usual draw of them, and which vary."""
    found = []
    for key, each in recorded.shapes.items():
        count = torch.Size(each).numel()
        name = key.removesuffix("_factor").replace("_", " ")
        found += [name] if count == 1 else [f"{name} {place}" for place in range(count)]
    numbers = recorded.numbers(_draw(module, DRAWS, shape, seeded_generator(0, "kornia")))
    varying: list[int] = []
    for place, column in enumerate(numbers.T):
        if _varies(column) and not any(torch.equal(column, numbers[:, other]) for other in varying):
            varying.append(place)
    usual = numbers[0]
    if len(usual):
        spread = numbers.std(dim=0).clamp(min=1e-6)
        usual = numbers[((numbers - numbers.median(dim=0).values) / spread).square().sum(dim=1).argmin()]
    return replace(recorded, names=tuple(found), usual=tuple(usual.tolist()), varying=tuple(varying))


def _try(module: Any, recorded: Recorded, shape: tuple[int, int, int]) -> None:
    """A few images are changed: into images as large, by the numbers alone, and each by its own."""
    images = torch.rand(TRIED, *shape, generator=seeded_generator(0, "images"))
    numbers = recorded.numbers(_draw(module, TRIED, shape, seeded_generator(1, "kornia")))

    def changed(images: Tensor, numbers: Tensor, seed: int) -> Any:
        with DrawingFrom(seeded_generator(seed)):
            return module(images.clone(), params=recorded.drawn(numbers, tuple(images.shape)))

    made = changed(images, numbers, 0)
    if made.shape != images.shape:
        raise _NoFactor(f"it makes images of {' × '.join(map(str, made.shape[1:]))} (channels, height, width)")
    if not torch.equal(made, changed(images, numbers, 1)):
        raise _NoFactor("it draws what it does not record")
    alone = torch.cat([changed(image, row, 0) for image, row in zip(images.split(1), numbers.split(1), strict=True)])
    if float((made.clamp(0, 1) - alone.clamp(0, 1)).abs().max()) > TOLERANCE:
        raise _NoFactor("what it does to an image depends on the others of its batch")
