"""Which factors are held: read from the mask, by naive loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.held import held_by_factor
from contextssl.errors import InputError
from contextssl.factors import COLOR, LIGHT, ROTATION, FactorSpace

SPACE = FactorSpace((ROTATION, COLOR, LIGHT))


@given(st.lists(st.sets(st.sampled_from(SPACE.names)), max_size=8))
def test_a_mask_says_which_factors_are_held(chosen: list[set[str]]) -> None:
    held = (
        torch.stack([SPACE.mask(SPACE.environment(sorted(names))) for names in chosen]) if chosen else torch.zeros(0, 7, dtype=torch.bool)
    )
    found = held_by_factor(held, SPACE, len(chosen))
    assert {name: rows.tolist() for name, rows in found.items()} == {name: [name in names for names in chosen] for name in SPACE.names}


@pytest.mark.parametrize("shape", [(3, 7), (2, 6)])
def test_a_mask_of_another_shape(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"for each of 2 pairs .* rotation, color, light: \(2, 7\), not"):
        held_by_factor(torch.zeros(shape, dtype=torch.bool), SPACE, 2)


def test_a_factor_is_held_as_a_whole() -> None:
    held = SPACE.mask("rotation").repeat(2, 1)
    held[1, 4] = True
    with pytest.raises(InputError, match="some numbers of the factor 'color'"):
        held_by_factor(held, SPACE, 2)
