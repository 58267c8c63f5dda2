"""Linear erasers that see the very pairs a context of examples shows: what a context is worth beyond them.

The two views of an example differ in what is to be ignored and share everything else, so the differences z(x⁺) - z(x) span what is to be erased.
No factor values are needed for :func:`erase_differences`, as none are for the context.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.leace import TOLERANCE, Erasure, fit_erasure
from contextssl.evaluation.ridge_regression import one_thread

# Which share of the differences' squared length the erased directions hold: all of it, and all but what may be chance.
SHARES = (1.0, 0.9)


def erase_differences(z: Float[Tensor, "k 2 D"], share: float = 1.0) -> Erasure:
    """The orthogonal projection off the principal directions of the pairs' differences (nuisance attribute projection: Solomonoff et al.,
    "Advances in channel compensation for SVM speaker recognition", ICASSP 2005).

    Args:
        z: embeddings of both views of each pair.
        share: the fewest directions are taken that hold this share of the differences' squared length; 1 is all that they span, at most k.
            Pairs that do not differ leave everything as it is.
    """
    differences = (z[:, 1] - z[:, 0]).double()
    with one_thread():
        _, sizes, directions = torch.linalg.svd(differences, full_matrices=False)
    squares = sizes.square()
    there = squares > TOLERANCE**2 * squares.max().clamp(min=1e-300)
    # A direction is taken as long as those before it do not hold the share yet.
    before = (squares.cumsum(0) - squares) / squares.sum().clamp(min=1e-300)
    taken = directions[there & (before < share - 1e-9)]
    return Erasure(taken.T @ taken, z.double().mean((0, 1)))


def erase_latents(z: Float[Tensor, "k 2 D"], latents: Float[Tensor, "k 2 A"]) -> Erasure:
    """LEACE (:func:`~contextssl.evaluation.leace.fit_erasure`) on the pairs' differences; the concept is the difference of their latents.

    Which view comes first means nothing, so each pair is taken both ways. Factors whose values a pair shares have differences of zero and are no
    part of the concept.
    """
    moved, concept = z[:, 1] - z[:, 0], latents[:, 1] - latents[:, 0]
    fitted = fit_erasure(torch.cat([moved, -moved]), torch.cat([concept, -concept]))
    return Erasure(fitted.change, z.double().mean((0, 1)))
