"""Factors, environments, and the blocks of an action.

A *factor* is a named block of what changes between two views: ``rotation`` (a quaternion x, y, z, w) or ``color`` (floor hue, light hue).
A view's absolute factor values, side by side, are its *latents*; what leads from a source view to a target view is the *action*, with the
same blocks. An *environment* is the set of *active* factors; in its actions the blocks of the inactive ones are zeroed.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contextssl.errors import SettingsError, brief, nearest

NO_FACTOR = "none"
# Numbers of one factor in a file at most.
MOST_NUMBERS = 1 << 16
Relation = Literal["difference", "rotation", "category", "example"]


@dataclass(frozen=True)
class Factor:
    """One named block of latents and actions.

    Args:
        name: a word without ``+``, such as ``"rotation"``.
        width: how many numbers the block holds.
        relation: how two views' latents give an action: ``"difference"`` (target - source) or ``"rotation"`` (unit quaternions in the order
            x, y, z, w; the action is source⁻¹ · target, not canonicalised, since flipping signs would add jumps) or ``"category"`` (one-hot
            latents of a value that is one of ``width``; the action is target - source, as with ``"difference"``) or ``"example"`` (a kind of listed
            pairs: which views share it is known, its value is not; there is no action).
        components: a name for each number, for tables and figures; default: ``name.0``, ``name.1``, ….
    """

    name: str
    width: int
    relation: Relation = "difference"
    components: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or self.name in (NO_FACTOR, "both", "all"):
            raise SettingsError(f"a factor cannot be called {self.name!r}: choose a word without '+' other than none, both, all")
        if self.width < 1:
            raise SettingsError(f"factor {self.name!r} has width {self.width}: it must hold at least one number")
        if self.relation not in get_args(Relation):
            known = ", ".join(get_args(Relation))
            raise SettingsError(f"factor {self.name!r} has relation {self.relation!r}: it must be one of {known}")
        if self.relation == "rotation" and self.width != 4:
            raise SettingsError(f"factor {self.name!r} is a rotation and so a quaternion of width 4, not {self.width}")
        if not self.components:
            object.__setattr__(self, "components", tuple(f"{self.name}.{i}" for i in range(self.width)))
        if len(self.components) != self.width:
            raise SettingsError(f"factor {self.name!r} has {self.width} numbers but {len(self.components)} component names")


ROTATION = Factor("rotation", 4, "rotation", ("x", "y", "z", "w"))
COLOR = Factor("color", 2, "difference", ("floor hue", "light hue"))
# Each hue by itself: three factors of the same numbers.
FLOOR = Factor("floor", 1, "difference", ("floor hue",))
LIGHT = Factor("light", 1, "difference", ("light hue",))
# Of views on a grid: where the object is, how large it is, and from which side the light comes.
TRANSLATION = Factor("translation", 3, "difference", ("x offset", "y offset", "z offset"))
# Of 3DIEBench-T: how far the object is along its own axes, which turn with it.
OWN_TRANSLATION = Factor("translation", 3, "difference", tuple(f"{axis} offset (own axis)" for axis in "xyz"))
# A logarithm: the action is then the ratio of two sizes, whatever the first is.
SCALE = Factor("scale", 1, "difference", ("size (log)",))
# Cosine and sine: angles themselves jump by a whole turn.
AZIMUTH = Factor("azimuth", 2, "difference", ("cos phi", "sin phi"))


@dataclass(frozen=True)
class Environment:
    """The active factors. ``name`` joins them with ``+`` in the factor space's order; in ``"none"`` no factor is active."""

    name: str
    factors: tuple[str, ...]


@dataclass(frozen=True)
class FactorSpace:
    """An ordered set of factors: naming, slicing and zeroing the blocks of latents and actions. Stored photos have none of their own.

    Example:
        >>> space = FactorSpace((ROTATION, COLOR))
        >>> space.width, space.slice("color")
        (6, slice(4, 6, None))
        >>> space.environment("color+rotation").name
        'rotation+color'
    """

    factors: tuple[Factor, ...]

    def __post_init__(self) -> None:
        if repeated := {name for name in self.names if self.names.count(name) > 1}:
            raise SettingsError(f"factor named twice: {', '.join(sorted(repeated))}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.factors)

    @property
    def width(self) -> int:
        """A: how many numbers an action holds."""
        return sum(factor.width for factor in self.factors)

    @property
    def has_values(self) -> bool:
        """Whether factors have values that can be read; of listed pairs only which views share them is known."""
        return all(factor.relation != "example" for factor in self.factors)

    def __getitem__(self, name: str) -> Factor:
        if name not in self.names:
            raise SettingsError(f"unknown factor {name!r}: {nearest(name, self.names)}")
        return self.factors[self.names.index(name)]

    def slice(self, name: str) -> slice:
        """Where the block of factor ``name`` lies in an action."""
        width = self[name].width
        start = sum(factor.width for factor in self.factors[: self.names.index(name)])
        return slice(start, start + width)

    @property
    def slices(self) -> tuple[builtins.slice, ...]:
        """Where each factor's block lies, in order."""
        return tuple(self.slice(name) for name in self.names)

    def environment(self, spec: str | Sequence[str]) -> Environment:
        """An environment from its name (``"rotation"``, ``"rotation+color"``, ``"none"``; ``"both"`` and ``"all"`` keep every factor) or its
        factors. Raises SettingsError for an unknown factor, naming the nearest known one.
        """
        wanted = {part.strip() for part in spec.split("+")} if isinstance(spec, str) else set(spec)
        if spec in (NO_FACTOR, "both", "all"):
            wanted = set() if spec == NO_FACTOR else set(self.names)
        for name in sorted(wanted):
            if name not in self.names:
                raise SettingsError(f"unknown environment {spec!r}: no factor {name!r}, {nearest(name, [*self.names, NO_FACTOR, 'all'])}")
        kept = tuple(name for name in self.names if name in wanted)
        return Environment("+".join(kept) or NO_FACTOR, kept)

    def mask(self, environment: str | Environment, device: torch.device | str | None = None) -> Bool[Tensor, " A"]:
        """True at the numbers of the factors that are active in the environment."""
        if isinstance(environment, str):
            environment = self.environment(environment)
        mask = torch.zeros(self.width, dtype=torch.bool, device=device)
        for name in environment.factors:
            mask[self.slice(name)] = True
        return mask

    def relative(self, source: Float[Tensor, "*batch A"], target: Float[Tensor, "*batch A"]) -> Float[Tensor, "*batch A"]:
        """The action from source to target: difference, or source⁻¹ · target for a rotation. Both are latents (..., A)."""
        blocks = []
        for factor, block in zip(self.factors, self.slices, strict=True):
            if factor.relation == "rotation":
                blocks.append(relative_quaternion(source[..., block], target[..., block]))
            else:
                blocks.append(target[..., block] - source[..., block])
        return torch.cat(blocks, dim=-1)

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values that go into manifests and checkpoints; :meth:`from_dict` turns them back."""
        return [{"name": f.name, "width": f.width, "relation": f.relation, "components": list(f.components)} for f in self.factors]

    @classmethod
    def from_dict(cls, factors: Sequence[Mapping[str, Any]]) -> FactorSpace:
        """Raises SettingsError for what is no factor, or holds more numbers than any: a component's name is made for each."""
        for each in factors:
            words = (each["name"], each["relation"], *each["components"])
            if type(each["width"]) is not int or each["width"] > MOST_NUMBERS or not all(isinstance(word, str) for word in words):
                raise SettingsError(f"a factor is {brief(each)}: it has a name, up to {MOST_NUMBERS:,} numbers, and a name for each")
        return cls(tuple(Factor(f["name"], f["width"], f["relation"], tuple(f["components"])) for f in factors))


def relative_quaternion(source: Float[Tensor, "*batch 4"], target: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """source⁻¹ · target for unit quaternions (x, y, z, w): the Hamilton product with the source's conjugate, its sign as it comes."""
    sx, sy, sz, sw = source.unbind(-1)
    tx, ty, tz, tw = target.unbind(-1)
    return torch.stack(
        (
            sw * tx - sx * tw - sy * tz + sz * ty,
            sw * ty + sx * tz - sy * tw - sz * tx,
            sw * tz - sx * ty + sy * tx - sz * tw,
            sw * tw + sx * tx + sy * ty + sz * tz,
        ),
        dim=-1,
    )
