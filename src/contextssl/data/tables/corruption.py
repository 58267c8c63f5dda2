"""Views of a row: some of its columns redrawn from the training rows, and its factors' values replaced.

What is redrawn is what SCARF redraws (Bahri et al., 2022, algorithm 1): a random subset of the columns, each from its own marginal, that of the
training rows whatever split the row is of. The factors' columns are no part of it: each factor's value is replaced by another one with a chance
of its own, and only this change is the action.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.held import held_by_factor
from contextssl.data.tables.columns import UNKNOWN, Columns
from contextssl.errors import DataError, SettingsError
from contextssl.factors import Factor, FactorSpace

# Into how many bands of equal size a factor that is a number is cut, such as an age.
BANDS = 4


@dataclass(frozen=True)
class RowFactor:
    """A factor of a row: which column holds its value."""

    name: str
    place: int  # of its column in an encoded row
    values: tuple[str, ...]  # in words
    # Of a number, in standardised units: value v lies above bounds[v - 1]. None for a category, whose value is its code - 1.
    bounds: tuple[float, ...] | None
    moved: tuple[int, ...]  # all places that are replaced together with it: its own column, and its proxy columns

    def of(self, rows: Float[Tensor, "n W"]) -> Int[Tensor, " n"]:
        """The value of each row, 0 to len(values) - 1."""
        column = rows[:, self.place].contiguous()
        return column.long() - 1 if self.bounds is None else torch.bucketize(column, torch.tensor(self.bounds, dtype=rows.dtype))


def row_factors(
    columns: Columns, named: Mapping[str, str], rows: Float[Tensor, "n W"], moved_together: Mapping[str, Sequence[str]]
) -> tuple[RowFactor, ...]:
    """The factors that the named columns hold.

    Args:
        named: by factor its column.
        rows: the training rows, whose quantiles bound the bands of a number.
        moved_together: by factor further columns that are replaced with it.

    Raises:
        DataError: for a factor with one value in the training rows.
    """
    found = []
    for name, column_name in named.items():
        place, column = columns.places(column_name)[0], columns[column_name]
        bounds: tuple[float, ...] | None = None
        if column.kind == "category":
            values = column.categories
        else:
            quantiles = torch.quantile(rows[:, place].double(), torch.linspace(0, 1, BANDS + 1, dtype=torch.float64)[1:-1])
            bounds = tuple(bound for bound in quantiles.unique().tolist() if bound < float(rows[:, place].max()))
            values = _bands([bound * column.scale + column.centre for bound in bounds])
        moved = [place for other in (column_name, *moved_together.get(name, ())) for place in columns.places(other)]
        factor = RowFactor(name, place, tuple(values), bounds, tuple(moved))
        seen = factor.of(rows).unique()
        if len(seen) < 2 or len(values) < 2:
            raise DataError(
                f"the factor {name!r} has one value ({factor.values[0]}) in all training rows, so there is nothing to be in- or equivariant "
                "to: choose another column, or other rows"
            )
        found.append(factor)
    return tuple(found)


def _bands(bounds: Sequence[float]) -> tuple[str, ...]:
    """In words: ``up to 28``, ``28 to 37``, …, ``over 48``."""
    if not bounds:
        return ("all",)
    words = [f"{bound:.4g}" for bound in bounds]
    return (f"up to {words[0]}", *(f"{low} to {high}" for low, high in pairwise(words)), f"over {words[-1]}")


@dataclass(frozen=True, eq=False)
class Corruption:
    """Draws views of encoded rows. Raises SettingsError for a share or chance outside 0 to 1."""

    columns: Columns  # of an encoded row
    factors: tuple[RowFactor, ...]  # what is replaced, and described by the action
    marginals: Float[Tensor, "M W"]  # the encoded training rows, from which everything that is new in a view comes
    rate: float = 0.4  # the share of the other columns of the file that is redrawn in each view, rounded down as in SCARF
    swap_chance: float = 0.5  # with which each factor's value is replaced by another, every other one being as likely
    exact_chance: float = 0.0  # with which nothing is redrawn in a pair, so that its views differ in factors alone

    def __post_init__(self) -> None:
        for name, value in (("corruption", self.rate), ("swap_chance", self.swap_chance), ("exact_chance", self.exact_chance)):
            if not 0 <= value <= 1:
                raise SettingsError(f"{name} is {value}: a share lies from 0 to 1")

    @cached_property
    def _group_of(self) -> Int[Tensor, " W"]:
        """Which column of the file each number belongs to; -1 of those that move with a factor."""
        moved = {place for factor in self.factors for place in factor.moved}
        groups = map(self.columns.places, self.columns.names)
        group_of = torch.full((len(self.columns),), -1)
        for group, places in enumerate(places for places in groups if not moved & set(places)):
            group_of[list(places)] = group
        return group_of

    @cached_property
    def _donors(self) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Of each factor the training rows in order of its value, where each value's begin, and how many it has."""
        found = {}
        for factor in self.factors:
            values = factor.of(self.marginals)
            counts = values.bincount(minlength=len(factor.values))
            found[factor.name] = (values.argsort(stable=True), counts.cumsum(0) - counts, counts)
        return found

    @property
    def space(self) -> FactorSpace:
        """Each factor as a one-hot block."""
        return FactorSpace(tuple(Factor(f.name, len(f.values), "category", f.values) for f in self.factors))

    def latents(self, rows: Float[Tensor, "n W"]) -> Float[Tensor, "n A"]:
        """The factors' values, one-hot side by side."""
        blocks = [torch.nn.functional.one_hot(factor.of(rows), len(factor.values)) for factor in self.factors]
        return torch.cat(blocks, dim=1).float()

    def draw(self, rows: Float[Tensor, "n W"], generator: torch.Generator) -> Float[Tensor, "n W"]:
        """A view of each row."""
        return self.swapped(self.redrawn_columns(rows, generator), generator)

    def draw_pairs(
        self, rows: Float[Tensor, "n W"], generator: torch.Generator, held: Bool[Tensor, "n A"] | None = None
    ) -> tuple[Float[Tensor, "n W"], Float[Tensor, "n W"], Bool[Tensor, " n"]]:
        """Two views of each row, and where they differ in nothing but their factors.

        Args:
            held: True at the numbers of the factors whose value both views share: the row's own, or another one with ``swap_chance``. Of
                every other factor the target has another value than the source, each being as likely. None: each view's values are drawn by
                themselves.

        Raises:
            DataError: for a factor that is to differ and has no other value in the training rows.
            InputError: for a mask that does not fit the factors or the rows.
        """
        exact = torch.rand(len(rows), generator=generator) < self.exact_chance
        several = rows.repeat(2, 1)
        redrawn = torch.where(exact.repeat(2)[:, None], several, self.redrawn_columns(several, generator))
        source, target = self.swapped(redrawn, generator).chunk(2)
        if held is None:
            return source, target, exact
        target, by_factor = target.clone(), held_by_factor(held, self.space, len(rows))
        for factor in self.factors:
            moved, differs = list(factor.moved), ~by_factor[factor.name]
            target[:, moved] = source[:, moved]
            changed = target[differs]
            target[differs] = self.with_value(changed, factor, self.other_value(changed, factor, generator), generator)
        return source, target, exact

    def swapped(self, rows: Float[Tensor, "n W"], generator: torch.Generator) -> Float[Tensor, "n W"]:
        """Rows with the value of each factor replaced by another one, with ``swap_chance``."""
        for factor in self.factors:
            chosen = torch.rand(len(rows), generator=generator) < self.swap_chance
            rows = self.with_value(rows, factor, self.other_value(rows, factor, generator), generator, chosen)
        return rows

    def redrawn_columns(self, rows: Float[Tensor, "n W"], generator: torch.Generator) -> Float[Tensor, "n W"]:
        """Rows with a random subset of the columns that are no factor's redrawn, each from a training row of its own."""
        group_of = self._group_of.clamp(min=0)
        groups = int(self._group_of.max()) + 1
        if groups == 0:
            return rows.clone()
        order = torch.rand(len(rows), groups, generator=generator).argsort(dim=1).argsort(dim=1)
        redrawn = order < int(self.rate * groups)
        donors = torch.randint(len(self.marginals), (len(rows), groups), generator=generator)
        fresh = self.marginals[donors[:, group_of], torch.arange(len(group_of))]
        return torch.where(redrawn[:, group_of] & (self._group_of >= 0), fresh, rows)

    def other_value(self, rows: Float[Tensor, "n W"], factor: RowFactor, generator: torch.Generator) -> Int[Tensor, " n"]:
        """For each row another value of the factor than its own, out of those that training rows have; raises DataError where they have none."""
        counts = self._donors[factor.name][2]
        chances = (counts > 0).float().expand(len(rows), -1).scatter(1, factor.of(rows)[:, None], 0.0)
        if not bool(chances.any(dim=1).all()):
            only = factor.values[int(counts.argmax())]
            raise DataError(
                f"the factor {factor.name!r} has one value ({only}) in all training rows, so no other can take its place: "
                "choose another column, or other rows"
            )
        return torch.multinomial(chances, 1, generator=generator)[:, 0]

    def with_value(
        self,
        rows: Float[Tensor, "n W"],
        factor: RowFactor,
        values: Int[Tensor, " n"],
        generator: torch.Generator,
        chosen: Bool[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "n W"]:
        """Rows with other values of a factor: its columns copied from a training row that has the value. ``chosen`` are changed, or all."""
        order, starts, counts = self._donors[factor.name]
        uniform = torch.rand(len(rows), generator=generator, dtype=torch.float64)
        donors = order[starts[values] + (uniform * counts[values]).long()]
        made, moved = rows.clone(), list(factor.moved)
        fresh = self.marginals[donors][:, moved]
        made[:, moved] = fresh if chosen is None else torch.where(chosen[:, None], fresh, rows[:, moved])
        return made


def known(rows: Float[Tensor, "n W"], columns: Columns, names: Sequence[str]) -> Bool[Tensor, " n"]:
    """True at rows whose columns of these names are neither missing nor unknown."""
    there = torch.ones(len(rows), dtype=torch.bool)
    for name in names:
        first, *rest = columns.places(name)
        there &= rows[:, rest[0]] == 1 if rest else (columns.columns[first].kind == "number") | (rows[:, first] != UNKNOWN)
    return there
