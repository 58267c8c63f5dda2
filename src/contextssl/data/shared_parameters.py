"""Parameters of augmentations for pairs whose views share some factors and differ in all others."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from contextssl.data.augmentations.compose import MEASURED_DRAWS, Augmentations
from contextssl.data.held import held_by_factor
from contextssl.errors import DataError
from contextssl.randomness import seeded_generator

# How many candidates a row gets in each round, until one differs from its source. A factor that changes one image in twenty has an unchanged
# image's other value among these 341 in all but 3 of 10⁸ rows, and drawing always ends.
CANDIDATES = (1, 4, 16, 64, 256)


def target_parameters(
    augmentations: Augmentations,
    source: Float[Tensor, "n P"],
    target: Float[Tensor, "n P"],
    held: Bool[Tensor, "n A"],
    generator: torch.Generator,
) -> Float[Tensor, "n P"]:
    """Targets (n, P) whose held factors have their sources' parameters, bit for bit, and whose other factors have their own.

    A factor that is not held is drawn again where its parameters, or its latents, are the source's, as those of a flip are in half of all
    draws. A factor that hardly ever varies (in fewer than one in a hundred draws) may still be as in the source in some rows.

    Args:
        source, target: parameters of the two views, drawn apart.
        held: True at the numbers of the factors that both views share.

    Raises:
        DataError: for a factor that is to differ and is the same in all draws.
        InputError: for a mask that does not fit the factors or the pairs.
    """
    made = target.clone()
    by_factor = held_by_factor(held, augmentations.factors, len(source))
    # `split` gives views of `made`, which are written to.
    for (augmentation, theirs), (_, block) in zip(augmentations.blocks(source), augmentations.blocks(made), strict=True):
        kept = by_factor[augmentation.name]
        block[kept] = theirs[kept]
    for name, kept in by_factor.items():
        _draw_others(augmentations, name, source, made, ~kept, generator)
    return made


def _draw_others(
    augmentations: Augmentations,
    name: str,
    source: Float[Tensor, "n P"],
    made: Float[Tensor, "n P"],
    chosen: Bool[Tensor, " n"],
    generator: torch.Generator,
) -> None:
    """Draws a factor of the chosen rows of ``made`` again, in place, where its value is that of ``source``."""
    alike = (chosen & ~_differs(augmentations, name, made, source)).nonzero()[:, 0]
    for candidates in CANDIDATES:
        if not len(alike):
            return
        drawn = augmentations.redraw(made[alike].repeat_interleave(candidates, dim=0), name, generator).view(len(alike), candidates, -1)
        differs = _differs(augmentations, name, drawn, source[alike, None])
        # The first that differs; where none does, another that is alike.
        first = differs.to(torch.uint8).argmax(dim=1)
        made[alike] = drawn[torch.arange(len(alike)), first]
        alike = alike[~differs.any(dim=1)]
    if len(alike) and _is_constant(augmentations, name):
        raise DataError(
            f"the factor {name!r} has one value in all draws, so no two views of an image can differ in it: widen its range or chance, "
            "or leave it out of factors"
        )


def _differs(augmentations: Augmentations, name: str, one: Float[Tensor, "*n P"], other: Float[Tensor, "*#n P"]) -> Bool[Tensor, "*n"]:
    """Where a factor's parameters differ, and its latents too: numbers that no latent shows are no other value. Parameters are compared as
    well, since the last bit of a latent may depend on the place in a batch.
    """
    parameters = next(
        (block != theirs).any(dim=-1)
        for (augmentation, block), (_, theirs) in zip(augmentations.blocks(one), augmentations.blocks(other), strict=True)
        if augmentation.name == name
    )
    place = augmentations.factors.slice(name)
    latents = augmentations.latents(one)[..., place] != augmentations.latents(other)[..., place]
    return parameters & latents.any(dim=-1)


def _is_constant(augmentations: Augmentations, name: str) -> bool:
    """Whether a factor has one value in as many draws as its scale is measured on; from a fixed seed, so the same answer in every batch."""
    usual = augmentations.identity.expand(MEASURED_DRAWS, -1)
    drawn = augmentations.redraw(usual, name, seeded_generator(0, "constant augmentation"))
    return not bool(_differs(augmentations, name, drawn, drawn[:1]).any())
