"""Several augmentations as one: their numbers side by side, their factors, one pass over the images.

Example:
    >>> augmentations = Augmentations.named(["crop", "blur"])
    >>> parameters = augmentations.draw(256, generator)                 # (256, 5): each image's box and σ
    >>> views = augmentations.apply(images, parameters)                 # uint8; the same again from the same parameters, bit for bit
    >>> action = augmentations.factors.relative(augmentations.latents(parameters), augmentations.latents(others))
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from contextssl.data.augmentations.augmentation import Augmentation
from contextssl.data.augmentations.from_kornia import FromKornia
from contextssl.digest import digest_of
from contextssl.errors import InputError, SettingsError, nearest
from contextssl.factors import FactorSpace
from contextssl.named_code import KORNIA
from contextssl.plugins import Kind
from contextssl.randomness import seeded_generator


def _checked_class(name: str, kind: Any) -> type[Augmentation]:
    """Raises SettingsError for what is no whole class of an augmentation."""
    if not (isinstance(kind, type) and issubclass(kind, Augmentation)):
        raise SettingsError(f"augmentation {name!r} is no class derived from contextssl.data.augmentations.Augmentation")
    missing = sorted(getattr(kind, "__abstractmethods__", ()))
    missing += [needed for needed in ("name", "parameters", "identity") if not hasattr(kind, needed)]
    if missing:
        raise SettingsError(f"augmentation {name!r} lacks {', '.join(missing)}")
    return kind


KINDS = Kind("augmentation", "contextssl.augmentations", "AUGMENTATION", _checked_class, package="contextssl.data.augmentations")
# Those of this package, in the order in which they are applied.
AUGMENTATIONS: Mapping[str, type[Augmentation]] = KINDS.built_in

# Centre and scale of the latents are measured on this many draws: to half a percent.
MEASURED_DRAWS = 65_536
# Images are changed this many bytes of float32 at a time, so that what lies between fits a cache or a small device.
CHUNK_BYTES = {"cpu": 3 * 2**19, "other": 2**26}


@dataclass(frozen=True)
class Augmentations:
    """Augmentations in the order of their factors; whatever that order, they are applied in that of their places.

    So how factors are listed changes no image, and the parameters of a factor mean the same next to any other.

    Args:
        augmentations: no two of one name.
        centre: A numbers that the latents are reduced by; default: measured on draws from a fixed seed.
        scale: A numbers that they are then divided by; default: measured too. Given both, a stored run is rebuilt exactly.

    Raises:
        SettingsError: for no augmentation, one listed twice, or one whose draws do not have the shape that it states.
    """

    augmentations: tuple[Augmentation, ...]
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.augmentations:
            raise SettingsError(f"there is no augmentation: name at least one of {', '.join(AUGMENTATIONS)}")
        names = [augmentation.name for augmentation in self.augmentations]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise SettingsError(f"augmentation listed twice: {', '.join(repeated)}; list each once")
        for each in self.augmentations:
            numbers = len(each.identity)
            if numbers != len(each.parameters):
                raise SettingsError(
                    f"augmentation {each.name!r} names {len(each.parameters)} parameters, but its identity has {numbers} numbers"
                )
        if not (self.centre and self.scale):
            centre, scale = self._measured()
            object.__setattr__(self, "centre", self.centre or centre)
            object.__setattr__(self, "scale", self.scale or scale)
        if not len(self.centre) == len(self.scale) == self.factors.width:
            raise SettingsError(
                f"the latents of {', '.join(names)} are {self.factors.width} numbers, "
                f"but centre has {len(self.centre)} and scale {len(self.scale)}"
            )
        if min(self.scale) <= 0:
            raise SettingsError(f"the scale of the latents must be above 0, not {min(self.scale):g}")

    @classmethod
    def named(cls, names: Sequence[str], ranges: Mapping[str, Mapping[str, Any]] | None = None) -> Augmentations:
        """Augmentations from their names.

        Args:
            names: such as ``["crop", "blur"]``; one of kornia's as ``"kornia:RandomSolarize"``; one of your own as ``"package.module:Class"``,
                which imports that module.
            ranges: arguments of some of them, by that name or by the factor's, such as ``{"crop": {"area": (0.5, 1.0)}}``.

        Raises:
            SettingsError: for an unknown name, range or argument, naming the nearest; a class that cannot be imported or is none of these.
        """
        if isinstance(names, str):
            raise SettingsError(f"augmentations must be a list of names, such as [crop, blur], not {names!r}")
        kinds = {name: name.removeprefix(KORNIA) if name.startswith(KORNIA) else KINDS.find(name).name for name in names}
        given = {**ranges} if ranges else {}
        for name in given:
            if name not in kinds and name not in kinds.values():
                raise SettingsError(f"ranges are given for {name!r}, which is not among the augmentations: {nearest(name, names)}")
        return cls(tuple(_build(name, given.get(name) or given.get(kinds[name]) or {}) for name in names))

    def for_images(self, shape: tuple[int, int, int]) -> Augmentations:
        """The same for images (C, H, W); centre and scale are measured again where what is drawn depends on them."""
        moved = tuple(augmentation.for_images(shape) for augmentation in self.augmentations)
        return self if moved == self.augmentations else Augmentations(moved)

    @cached_property
    def factors(self) -> FactorSpace:
        """A factor of each, in the order given. A: its width."""
        return FactorSpace(tuple(augmentation.factor for augmentation in self.augmentations))

    @property
    def width(self) -> int:
        """P: how many parameters an image has."""
        return sum(len(augmentation.parameters) for augmentation in self.augmentations)

    @property
    def identity(self) -> Float[Tensor, " P"]:
        """Parameters that change nothing."""
        return torch.tensor([number for augmentation in self.augmentations for number in augmentation.identity])

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "n P"]:
        """Parameters for ``count`` images, (n, P) float32 on the CPU, side by side in the order of the factors."""
        return torch.cat([augmentation.draw(count, generator) for augmentation in self.augmentations], dim=1)

    def redraw(self, parameters: Float[Tensor, "n P"], name: str, generator: torch.Generator) -> Float[Tensor, "n P"]:
        """The same parameters with those of one factor drawn again. Raises SettingsError for an unknown factor, naming the nearest."""
        self.factors[name]
        blocks = self.blocks(parameters)
        return torch.cat(
            [each.draw(len(block), generator).to(block.device) if each.name == name else block for each, block in blocks], dim=1
        )

    def latents(self, parameters: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch A"]:
        """The latents of parameters (..., P): (..., A) float32, each number of mean 0 and variance 1 over the draws."""
        latents = torch.cat([augmentation.latents(block) for augmentation, block in self.blocks(parameters)], dim=-1)
        centre, scale = (torch.tensor(numbers, dtype=torch.float32, device=latents.device) for numbers in (self.centre, self.scale))
        return (latents - centre) / scale

    @torch.no_grad()
    def apply(self, images: UInt8[Tensor, "n C H W"], parameters: Float[Tensor, "n P"]) -> UInt8[Tensor, "n C H W"]:
        """Views of images with 1 or 3 channels, each by its row of parameters, on the device and in the memory layout of the images.

        A view depends on its image and its parameters alone: the same come again bit for bit, alone or in any batch. Computed in float32,
        whatever autocast is on, and rounded to the nearest level at the end. Raises InputError for another shape or dtype, or parameters that are
        not finite (not checked on a GPU, which would have to be waited for).
        """
        if images.ndim != 4 or images.dtype != torch.uint8 or images.shape[1] not in (1, 3):
            raise InputError(f"images must be uint8 (n, C, H, W) with 1 or 3 channels, not {images.dtype} {tuple(images.shape)}")
        if parameters.shape != (len(images), self.width) or parameters.dtype != torch.float32:
            raise InputError(
                f"parameters of {len(images)} images by {', '.join(self.factors.names)} must be float32 ({len(images)}, {self.width}), "
                f"not {parameters.dtype} {tuple(parameters.shape)}"
            )
        if parameters.device.type == "cpu" and not bool(parameters.isfinite().all()):
            raise InputError("parameters are not all finite numbers: draw them again")
        views = torch.empty_like(images)
        if not images.numel():
            return views
        parameters = parameters.to(images.device, non_blocking=True)
        chunks = math.ceil(4 * images.numel() / CHUNK_BYTES.get(images.device.type, CHUNK_BYTES["other"]))
        with torch.autocast(images.device.type, enabled=False):
            for view, image, numbers in zip(*(tensor.tensor_split(chunks) for tensor in (views, images, parameters)), strict=True):
                view.copy_(self._applied(image, numbers))
        return views

    def words(self, parameters: Float[Tensor, " P"]) -> str:
        """What one image's parameters do, such as ``"crop 62 %, blur σ 1.4"``; ``"as it is"`` where they change nothing."""
        words = [augmentation.words(block) for augmentation, block in self.blocks(parameters)]
        return ", ".join(word for word in words if word) or "as it is"

    @property
    def description(self) -> dict[str, Any]:
        """Plain JSON values that determine draws and latents, for the record of a run."""
        listed = [{"name": _name_of(augmentation), "ranges": augmentation.ranges} for augmentation in self.augmentations]
        return {"augmentations": listed, "centre": list(self.centre), "scale": list(self.scale)}

    @property
    def own_code(self) -> str | None:
        """A digest of the source of augmentations that are not of this package, which name and range do not determine; None where there are none."""
        own = [_source_of(kind) for kind in map(type, self.augmentations) if kind not in (*AUGMENTATIONS.values(), FromKornia)]
        return digest_of(own) if own else None

    def blocks(self, parameters: Tensor) -> list[tuple[Augmentation, Tensor]]:
        """Each augmentation with its own of the parameters (..., P): a view of them."""
        blocks = parameters.split([len(augmentation.parameters) for augmentation in self.augmentations], dim=-1)
        return list(zip(self.augmentations, blocks, strict=True))

    def _measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the latents over draws from a fixed seed; a deviation of 1 for what does not vary."""
        generator = seeded_generator(0, "scale of augmentations")
        centres, scales = [], []
        for augmentation in self.augmentations:
            parameters = augmentation.draw(MEASURED_DRAWS, generator)
            latents = augmentation.latents(parameters)
            drawn, made = (parameters, augmentation.parameters), (latents, augmentation.factor.components)
            for what, (numbers, names) in (("draw", drawn), ("latents", made)):
                if numbers.shape != (MEASURED_DRAWS, len(names)):
                    raise SettingsError(
                        f"augmentation {augmentation.name!r}: its {what} of {MEASURED_DRAWS} images must have shape "
                        f"({MEASURED_DRAWS}, {len(names)}), one column each for {', '.join(names)}, not {tuple(numbers.shape)}"
                    )
            deviation, mean = torch.std_mean(latents.double(), dim=0)
            centres += [_rounded(number) for number in mean.tolist()]
            scales += [_rounded(number) if number > 1e-6 else 1.0 for number in deviation.tolist()]
        return tuple(centres), tuple(scales)

    def _applied(self, images: Tensor, parameters: Tensor) -> Tensor:
        """One chunk: uint8 to float32 in 0 to 1, every augmentation in its turn, and levels again, still float32."""
        # Rows before channels in memory: as `separable` wants it, so that it need not move anything.
        rows = images.permute(0, 2, 1, 3).to(torch.float32, memory_format=torch.contiguous_format)
        x = rows.div_(255).permute(0, 2, 1, 3)
        # `sorted` keeps the order of equal places.
        for augmentation, block in sorted(self.blocks(parameters), key=lambda each: each[0].place):
            x = augmentation.apply(x, block)
        return x.mul(255).round_().clamp_(0, 255)


def _rounded(number: float) -> float:
    """To six digits: the last bits of a sum depend on the number of threads, and a run must have the same constants on any machine."""
    return float(f"{number:.6g}")


def _name_of(augmentation: Augmentation) -> str:
    """Its name in a list of names."""
    if isinstance(augmentation, FromKornia):
        return f"{KORNIA}{augmentation.kind}"
    kind = type(augmentation)
    return kind.name if AUGMENTATIONS.get(kind.name) is kind else f"{kind.__module__}:{kind.__qualname__}"


def _source_of(kind: type[Augmentation]) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt
        return kind.__qualname__


def _build(name: str, ranges: Mapping[str, Any]) -> Augmentation:
    """An augmentation of the class so named with these ranges; lists, which JSON and YAML have in their place, become tuples."""
    if name.startswith(KORNIA):
        return FromKornia(name.removeprefix(KORNIA), dict(ranges))
    kind = KINDS.find(name)
    known = [field.name for field in fields(kind)]
    for key in ranges:
        if key not in known:
            raise SettingsError(f"augmentation {name!r} has no range {key!r}: {nearest(key, known)}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in ranges.items()})
