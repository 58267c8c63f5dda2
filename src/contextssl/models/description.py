"""What a context of examples does, in the model's own estimate: which factors it keeps and drops, how sure, and what is odd about the examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from contextssl.factors import NO_FACTOR
from contextssl.models.carried_views import CarriedViews
from contextssl.randomness import seeded_generator

# A factor is kept where the context leaves this share of its effect on distances, dropped where it leaves less than the other.
KEPT, DROPPED = 0.6, 0.3
# Random halves of the examples by which the estimate's error is found.
HALVES = 16
# Half as many examples give another estimate by this much: more would probably change it too.
MOVES = 0.1
# Views of a pair are the same where they are nearer than this share of two views of different items; items differ beyond the other, and beyond
# every pair of one item that the model carries.
SAME, DIFFERENT = 0.002, 1.0
# Of the examples what share must seem to show different items: of one pair in ten that is said wrongly (the demo's model).
STRANGE = 0.25
# How many pairs must say the opposite of the others for a contradiction, and what share of them: of pairs about one in ten is misread.
CONTRADICT, CONTRADICT_SHARE = 3, 0.2
# Whether a pair differs in a factor is said only where, of the carried pairs, so many of those that differ in it lie above so many of the others.
CLEAR = 0.9

# Unit embeddings of features (n, F) after examples (k, 2, F); none of them: without a context.
Embed = Callable[[Float[Tensor, "n F"], "Float[Tensor, 'k 2 F'] | None"], Float[Tensor, "n D"]]


@dataclass(frozen=True)
class FactorEffect:
    """What a context leaves of a factor.

    Args:
        left: mean squared distance between views that differ in this factor alone, over that of different items, as a share of the same without
            a context: 1 keeps the factor as it is, 0 drops it.
        error: standard deviation over random halves of the examples, over √2.
        half: ``left`` by half of the examples.
    """

    left: float
    error: float
    half: float

    @property
    def says(self) -> str:
        """``"kept"``, ``"dropped"`` or ``"weakened"``; ``"unsure"`` where the error reaches across."""
        low, high = self.left - self.error, self.left + self.error
        if low >= KEPT or high <= DROPPED:
            return "kept" if low >= KEPT else "dropped"
        return "weakened" if low > DROPPED and high < KEPT else "unsure"


@dataclass(frozen=True)
class Description:
    """The effect of so many ``pairs`` on each factor, and what is odd about them; ``str`` gives it in words."""

    pairs: int
    factors: Mapping[str, FactorEffect]
    warnings: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        return self._that_are("kept")

    @property
    def dropped(self) -> tuple[str, ...]:
        return self._that_are("dropped")

    def _that_are(self, what: str) -> tuple[str, ...]:
        return tuple(name for name, effect in self.factors.items() if effect.says == what)

    @property
    def more_pairs_help(self) -> bool:
        """Whether the estimate is unsure, or still moved when the examples were doubled."""
        return any(effect.says == "unsure" or abs(effect.left - effect.half) > MOVES for effect in self.factors.values())

    def __str__(self) -> str:
        effects = [
            f"{name}: {effect.says}; {100 * effect.left:.0f} % ± {100 * effect.error:.0f} of its effect on distances is left"
            for name, effect in self.factors.items()
        ]
        more = f"more pairs would {'probably' if self.more_pairs_help else 'hardly'} change this"
        warnings = [f"warning: {warning}" for warning in self.warnings]
        return "\n  ".join([f"{self.pairs} example{'s' if self.pairs != 1 else ''}", *effects, more, *warnings])


def describe(examples: Float[Tensor, "k 2 F"], carried: CarriedViews, embed: Embed, seed: int = 0) -> Description:
    """The effect of examples, features of pairs, on the views that a model carries; the ``seed`` is of the halves."""
    count = len(examples)
    before = _effects(carried, embed, None)
    whole = _left(examples, carried, embed, before)
    generator = seeded_generator(seed, "halves")
    chosen = [torch.randperm(count, generator=generator)[: (count + 1) // 2] for _ in range(HALVES if count > 1 else 0)]
    halves = [_left(examples[half], carried, embed, before) for half in chosen]
    factors = {}
    for name in carried.factors:
        parts = torch.tensor([half[name] for half in halves])
        # Of one pair nothing says how far another would lead.
        error, half = (float(parts.std()) / 2**0.5, float(parts.mean())) if halves else (max(1.0, whole[name]), 0.5)
        factors[name] = FactorEffect(whole[name], error, half)
    return Description(count, factors, tuple(_warnings(examples, carried, embed)))


def effects_left(examples: Float[Tensor, "k 2 F"], carried: CarriedViews, embed: Embed) -> dict[str, float]:
    """By factor what examples leave of its effect, as :attr:`FactorEffect.left`, without the error of it: at a small part of the cost."""
    return _left(examples, carried, embed, _effects(carried, embed, None))


def _left(examples: Float[Tensor, "k 2 F"], carried: CarriedViews, embed: Embed, before: Mapping[str, float]) -> dict[str, float]:
    after = _effects(carried, embed, examples)
    return {name: after[name] / max(before[name], 1e-9) for name in carried.factors}


def _effects(carried: CarriedViews, embed: Embed, examples: Float[Tensor, "k 2 F"] | None) -> dict[str, float]:
    """By factor the distance of views that differ in it alone, over that of different items."""
    between = _apart(carried.items, embed, examples).mean()
    return {name: float(_apart(pairs, embed, examples).mean() / between.clamp(min=1e-9)) for name, pairs in carried.factors.items()}


def _apart(pairs: Float[Tensor, "m 2 F"], embed: Embed, examples: Float[Tensor, "k 2 F"] | None) -> Float[Tensor, " m"]:
    """Squared distances between the embeddings of each pair."""
    z = embed(pairs.flatten(0, 1), examples).unflatten(0, (-1, 2))
    return (z[:, 0] - z[:, 1]).float().square().sum(dim=-1)


def _warnings(examples: Float[Tensor, "k 2 F"], carried: CarriedViews, embed: Embed) -> list[str]:
    """Sentences about examples that say nothing, show different items, or contradict each other."""
    found = []

    def unit(features: Tensor, _: Tensor | None) -> Tensor:
        return F.normalize(features.float(), dim=-1)

    same = _apart(examples, unit, None) < SAME * _apart(carried.items, unit, None).mean()
    if bool(same.any()):
        found.append(f"{_pairs(same)}: both views are the same, so nothing is shown to be ignored")
    if NO_FACTOR in carried.examples:
        item_alone = carried.examples[NO_FACTOR]
        between = _apart(carried.items, embed, item_alone).mean().clamp(min=1e-9)
        most = max(DIFFERENT, float((_apart(item_alone, embed, item_alone) / between).max()))
        strange = _apart(examples, embed, item_alone) / between > most
        if float(strange.float().mean()) >= STRANGE:
            found.append(f"{_pairs(strange)}: the views seem to show different items")
    for name in carried.factors:
        differ = _differ(examples, name, carried, embed)
        least = max(CONTRADICT, CONTRADICT_SHARE * len(examples))
        if differ is not None and min(int((differ & ~same).sum()), int((~differ & ~same).sum())) >= least:
            found.append(f"the pairs contradict each other: {_pairs(differ & ~same)} differ in {name}, {_pairs(~differ & ~same)} share it")
    return found


def _differ(examples: Float[Tensor, "k 2 F"], name: str, carried: CarriedViews, embed: Embed) -> Bool[Tensor, " k"] | None:
    """Which pairs differ in a factor: where the context keeps it alone, their views are as far apart as those of carried pairs that do. None where
    the model carries no such context, or its distances do not tell.
    """
    others = [pairs for other, pairs in carried.factors.items() if other != name]
    if name not in carried.examples or not others:
        return None
    shares, differs, asked = (
        _apart(pairs, embed, carried.examples[name]) for pairs in (torch.cat(others), carried.factors[name], examples)
    )
    low, high = float(shares.quantile(CLEAR)), float(differs.quantile(1 - CLEAR))
    return asked > (low + high) / 2 if low < high else None


def _pairs(chosen: Tensor) -> str:
    """``"pair 3"``, ``"pairs 0, 4"``, counted from 0."""
    numbers = chosen.nonzero()[:, 0].tolist()
    return f"pair{'s' if len(numbers) != 1 else ''} {', '.join(map(str, numbers))}"
