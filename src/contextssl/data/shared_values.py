"""Pairs of views that share the values of chosen factors and differ in all others: what examples are made of.

Any stored views will do in which values occur more than once, such as a grid of them; which views share a value is read from their latents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# What an already shared value weighs next to a random number below 1, which decides among equals.
OVERLAP = 2.0


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
    overlap = latents.new_zeros(latents.shape[:2])
    source, target = torch.zeros_like(rows), torch.zeros_like(rows)
    found = torch.zeros(len(rows), dtype=torch.bool)
    chance = torch.rand(2, len(rows), latents.shape[1], generator=generator)
    for chosen in rounds(rows):
        item = rows[chosen]
        views, wanted = latents[item], held[chosen]
        cost = OVERLAP * overlap[item] + chance[0, chosen]
        first = cost.argmin(dim=1)
        partners = _partners(views, factors, first, wanted)
        for alone in (~partners.any(dim=1)).nonzero()[:, 0].tolist():
            # Not every view has a partner: the best of those that have.
            for view in cost[alone].argsort():
                there = _partners(views[alone : alone + 1], factors, view[None], wanted[alone : alone + 1])
                if bool(there.any()):
                    first[alone], partners[alone] = view, there[0]
                    break
        overlap[item] += same_values(views, factors, first).sum(dim=1)
        cost = OVERLAP * overlap[item] + chance[1, chosen]
        second = cost.masked_fill(~partners, math.inf).argmin(dim=1)
        overlap[item] += same_values(views, factors, second).sum(dim=1)
        source[chosen], target[chosen], found[chosen] = first, second, partners.any(dim=1)
    return source, target, found


def same_values(latents: Float[Tensor, "n V A"], factors: Sequence[slice], chosen: Int[Tensor, " n"]) -> Bool[Tensor, "n F V"]:
    """Which views have the value of each factor that the chosen one has."""
    equal = latents == latents[torch.arange(len(latents)), chosen][:, None]
    return torch.stack([equal[..., block].all(dim=-1) for block in factors], dim=1)


def _partners(
    latents: Float[Tensor, "n V A"], factors: Sequence[slice], chosen: Int[Tensor, " n"], held: Bool[Tensor, "n F"]
) -> Bool[Tensor, "n V"]:
    """The views that agree with the chosen one in the held factors alone: itself only if there is no other."""
    fits = (same_values(latents, factors, chosen) == held[:, :, None]).all(dim=1)
    others = fits.scatter(1, chosen[:, None], False)
    return torch.where(others.any(dim=1, keepdim=True), others, fits)


def rounds(rows: Int[Tensor, " n"]) -> list[Int[Tensor, " m"]]:
    """The places of each item's first pair, of each item's second, and so on."""
    order = rows.argsort(stable=True)
    ordered = rows[order]
    begins = torch.searchsorted(ordered, ordered)
    turn = torch.empty_like(rows)
    turn[order] = torch.arange(len(rows)) - begins
    return [(turn == number).nonzero()[:, 0] for number in range(int(turn.max()) + 1 if len(turn) else 0)]
