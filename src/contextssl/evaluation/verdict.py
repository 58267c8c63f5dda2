"""The verdict of ``evaluate context-sensitivity``: whether a model depends on its context, and if so on the active factors alone or on the pairs.

The rule. s(e) are the shares of the variance that each factor has in a context of environment e as drawn, s(e, d) those when it is disturbed by d.

1. *Contrast*: the largest difference of one factor's share between two environments. In the paper's contexts these have the same pairs, so it is
   the effect of which factors are active; examples and evidence are other pairs of the same items. Below :data:`CONTRAST`, and where wrong pairs
   and random actions change no share by as much either, the model **does not depend on its context**.
2. *What is kept of it* under d: Σ ⟨s(e, d) - s(f, d), s(e) - s(f)⟩ / Σ |s(e) - s(f)|² over pairs of environments e, f. 1: the contexts are
   distinguished as well as before; 0: not at all. Wrong pairs, partners dealt anew and random actions leave the active block non-zero; only the
   actions no longer match the views. Where :data:`KEPT` is kept under all of them, the model **depends on which factors are active, not on the
   pairs**; where no more than :data:`LOST` is kept under one of them, it **depends on the pairs**.
3. Between these, where the contrast is within twice its own error over contexts, with fewer than two environments, or without these rows, there
   is no verdict.

Where views are too few for variance shares, R² by nearest neighbours stands in their place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from contextssl.evaluation.contexts import REPORTED_LENGTH, pairs_words
from contextssl.evaluation.disturbances import BLANK_IMAGES, DEALT_ANEW, ONE_PAIR, RANDOM_ACTIONS, SHUFFLED, ZERO_PAIR, wrong_pairs_name
from contextssl.factors import NO_FACTOR
from contextssl.records.results import ResultRow

CONTRAST = 0.05
KEPT = 2 / 3
LOST = 1 / 3

ON_ACTIVE = "this model depends on which factors are active, not on the pairs"
ON_PAIRS = "this model depends on the pairs"
ON_NOTHING = "this model does not depend on its context"

ALL_WRONG = wrong_pairs_name(1)
# Disturbances that break the pairs and leave the active block non-zero; and further ones that the sentence names.
BREAKING = (ALL_WRONG, DEALT_ANEW, RANDOM_ACTIONS)
FURTHER = (BLANK_IMAGES, ONE_PAIR, ZERO_PAIR, SHUFFLED)
IN_WORDS = {
    ALL_WRONG: "with a target of another item in every pair",
    DEALT_ANEW: "with the partners dealt anew",
    RANDOM_ACTIONS: "with each action moved to another pair",
    BLANK_IMAGES: "with black images",
    ONE_PAIR: "with the first pair alone",
    ZERO_PAIR: "with one pair of zeros",
    SHUFFLED: "with the pairs in another order",
}
MEASURES = {"variance_share": "share of the variance", "r2_pooled": "R² by nearest neighbours"}


@dataclass(frozen=True)
class Verdict:
    """
    Args:
        says: one of three sentences; None where there is no verdict.
        why: the numbers behind it, in words.
        length, measure: of the contexts as drawn, in tokens; the metric that they were compared by.
        contrast: the largest difference between two environments.
        kept: by disturbance what is left of the differences.
    """

    says: str | None
    why: str
    length: int | None = None
    measure: str | None = None
    contrast: float | None = None
    kept: Mapping[str, float] | None = None

    @property
    def sentence(self) -> str:
        said = self.says or "no verdict"
        return f"{said[0].upper()}{said[1:]}: {self.why}."


def verdict(rows: Sequence[ResultRow]) -> Verdict | None:
    """Of the rows of this protocol among these, of one split; None where there are none."""
    rows = [row for row in rows if row.protocol == "context-sensitivity"]
    drawn = [row for row in rows if row.context is None]
    if not drawn:
        return None
    lengths = sorted({row.length or 0 for row in drawn})
    length = REPORTED_LENGTH if REPORTED_LENGTH in lengths else lengths[-1]
    measure = "variance_share" if any(row.metric == "variance_share" for row in drawn) else "r2_pooled"
    table = _Table([row for row in rows if row.metric == measure and row.head in (None, "knn") and math.isfinite(row.mean)], length)
    pairs = [(a, b) for a, b in combinations(table.environments, 2) if table.shared(a, b)]
    if not pairs:
        return Verdict(None, "it takes contexts of two environments", length, measure)
    contrast, error, where = max(table.difference(a, b, factor) for a, b in pairs for factor in table.shared(a, b))
    kept = {kind: value for kind in (*BREAKING, *FURTHER) if (value := table.kept(kind, pairs)) is not None}
    said = partial(Verdict, length=length, measure=measure, contrast=contrast, kept=kept)
    name = MEASURES[measure]
    unknown = "and no contexts of wrong pairs or actions were evaluated"
    if contrast < CONTRAST:
        # The active factors change nothing; the pairs may.
        unchanged = f"the active factors change no {name} by more than {contrast:.2f} ({pairs_words(length)})"
        moves = [move for kind in BREAKING for move in table.moves(kind)]
        if not moves:
            return said(None, f"{unchanged}, {unknown}")
        if max(moves) >= CONTRAST:
            return said(None, f"{unchanged}, and yet wrong pairs or actions do, by {max(moves):.2f}")
        return said(ON_NOTHING, f"{unchanged}, nor do wrong pairs or actions ({max(moves):.2f})")
    changed = f"the active factors change the {name} of {where} by {contrast:.2f} ({pairs_words(length)})"
    if contrast < 2 * error:
        return said(None, f"{changed}, which is within the error over contexts, {error:.2f}")
    breaking = [kept[kind] for kind in BREAKING if kind in kept]
    if not breaking:
        return said(None, f"{changed}, {unknown}")
    parts = "; ".join(f"{100 * value:.0f} % {IN_WORDS[kind]}" for kind, value in kept.items())
    says = ON_ACTIVE if min(breaking) >= KEPT else ON_PAIRS if min(breaking) <= LOST else None
    return said(says, f"{changed}, and of all such differences there remain {parts}")


class _Table:
    """The numbers of one metric by environment and disturbance, at one length as far as a disturbance has none of its own."""

    def __init__(self, rows: Sequence[ResultRow], length: int) -> None:
        self.numbers: dict[tuple[str, str | None], dict[str, ResultRow]] = {}
        for row in rows:
            if row.environment and row.factor and row.length == (2 if row.context in (ONE_PAIR, ZERO_PAIR) else length):
                self.numbers.setdefault((row.environment, row.context), {})[row.factor] = row
        self.environments = [environment for environment, context in self.numbers if context is None]

    def shared(self, a: str, b: str) -> list[str]:
        """Factors that have a number in both environments as drawn."""
        return [factor for factor in self.numbers[a, None] if factor in self.numbers[b, None]]

    def difference(self, a: str, b: str, factor: str) -> tuple[float, float, str]:
        """Between two environments as drawn, its standard error over contexts, and the factor."""
        first, second = (self.numbers[name, None][factor] for name in (a, b))
        error = math.sqrt(sum((row.std or 0.0) ** 2 / row.n for row in (first, second)))
        return abs(first.mean - second.mean), error, factor

    def disturbed(self, environment: str, kind: str) -> Mapping[str, ResultRow]:
        # Where no factor is active, no action is wrong.
        usual = self.numbers[environment, None] if kind == RANDOM_ACTIONS and environment == NO_FACTOR else {}
        return self.numbers.get((environment, kind), usual)

    def kept(self, kind: str, pairs: Sequence[tuple[str, str]]) -> float | None:
        """What a disturbance leaves of the differences between environments."""
        left = before = 0.0
        for a, b in pairs:
            first, second = self.disturbed(a, kind), self.disturbed(b, kind)
            for factor in self.shared(a, b):
                if factor in first and factor in second:
                    drawn = self.numbers[a, None][factor].mean - self.numbers[b, None][factor].mean
                    left += drawn * (first[factor].mean - second[factor].mean)
                    before += drawn**2
        return left / before if before > 0 else None

    def moves(self, kind: str) -> list[float]:
        """How far a disturbance moves each number."""
        return [
            abs(row.mean - self.numbers[environment, None][factor].mean)
            for environment in self.environments
            for factor, row in self.numbers.get((environment, kind), {}).items()
            if factor in self.numbers[environment, None]
        ]
