"""Pairs of views that share the values of chosen factors and differ in all others: what examples are made of.

Any stored views will do in which values occur more than once, such as a grid of them; which views share a value is read from their latents.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# What an already shared value weighs next to a random number below 1, which decides among equals.
OVERLAP = 2.0
# A view paired with itself is the last resort.
ITSELF = 1e6


def sharing_pairs(
    latents: Float[Tensor, "items V A"],
    factors: Sequence[slice],
    rows: Int[Tensor, " n"],
    held: Bool[Tensor, "n F"],
    generator: torch.Generator,
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """Of each pair its source view, its target view, and whether there is such a pair.

    Both views have the same value of each held factor, bit for bit, and different values of every other. Pairs of one item take, as far as there
    are any, views that share no value with the views taken before: then another pair of the item is a negative in every environment.
    A view is paired with itself only where all factors are held and no other view will do.

    Args:
        latents: of all views of the items that occur.
        factors: where each factor's numbers lie.
        rows: which of those items each pair is of.
        held: of each pair the factors whose value its views share.
    """
    items, views = latents.shape[:2]
    blocks = [latents[..., block] for block in factors]
    # (items, F, V, V): which views have the same value.
    same = torch.stack([(block[:, :, None] == block[:, None]).all(dim=-1) for block in blocks], dim=1)
    overlap = same.new_zeros((items, views), dtype=torch.float32)
    source, target = torch.zeros_like(rows), torch.zeros_like(rows)
    found = torch.zeros(len(rows), dtype=torch.bool)
    itself = torch.eye(views, dtype=torch.bool)
    chance = torch.rand(2, len(rows), views, generator=generator)
    for chosen in rounds(rows):
        item = rows[chosen]
        fits = (same[item] == held[chosen][:, :, None, None]).all(dim=1)
        cost = OVERLAP * overlap[item] + chance[0, chosen]
        partners = fits & ~itself
        alone = ~partners.any(dim=(1, 2))
        partners = torch.where(alone[:, None, None], fits, partners)
        first = cost.masked_fill(~partners.any(dim=2), ITSELF).argmin(dim=1)
        there = partners[torch.arange(len(item)), first]
        overlap[item] += same[item, :, first].sum(dim=1)
        cost = OVERLAP * overlap[item] + chance[1, chosen]
        second = cost.masked_fill(~there, ITSELF).argmin(dim=1)
        overlap[item] += same[item, :, second].sum(dim=1)
        source[chosen], target[chosen], found[chosen] = first, second, there.any(dim=1)
    return source, target, found


def rounds(rows: Int[Tensor, " n"]) -> list[Int[Tensor, " m"]]:
    """The places of each item's first pair, of each item's second, and so on."""
    order = rows.argsort(stable=True)
    ordered = rows[order]
    begins = torch.searchsorted(ordered, ordered)
    turn = torch.empty_like(rows)
    turn[order] = torch.arange(len(rows)) - begins
    return [(turn == number).nonzero()[:, 0] for number in range(int(turn.max()) + 1 if len(turn) else 0)]
