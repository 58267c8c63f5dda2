"""Which factors both views of a pair share, from the mask over the numbers of an action."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from contextssl.errors import InputError
from contextssl.factors import FactorSpace


def held_by_factor(held: Bool[Tensor, "n A"], factors: FactorSpace, count: int) -> dict[str, Bool[Tensor, " n"]]:
    """By factor the pairs (n,) of ``count`` in which it is held, which is True at the numbers of the factors whose value both views share. Raises
    InputError for a mask of another shape, or one that holds some numbers of a factor and not the others.
    """
    if held.shape != (count, factors.width):
        raise InputError(
            f"held must have a row for each of {count} pairs and a column for each number of {', '.join(factors.names)}: "
            f"({count}, {factors.width}), not {tuple(held.shape)}; FactorSpace.mask gives such a row"
        )
    found = {}
    for name, place in zip(factors.names, factors.slices, strict=True):
        found[name] = held[:, place].any(dim=1)
        if not bool((held[:, place] == found[name][:, None]).all()):
            raise InputError(
                f"held holds some numbers of the factor {name!r} and not the others: hold all or none; FactorSpace.mask gives such a row"
            )
    return found
