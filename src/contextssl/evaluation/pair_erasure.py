"""Linear erasers that see the very pairs a context of examples shows: what a context is worth beyond them.

The two views of an example differ in what is to be ignored and share everything else, so the differences z(x⁺) - z(x) span what is to be erased.
No factor values are needed for :func:`erase_differences`, as none are for the context.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.leace import TOLERANCE, Erasure, fit_erasure
from contextssl.evaluation.ridge_regression import one_thread

ERASED = "erased by the same pairs"
NO_CONTEXT = ContextPoint(None, 0, 0)
# The smaller of the shares of the differences' squared length that erased directions hold: all but what may be chance.
MOST = 0.9


def erasers(embedder: Embedder, point: ContextPoint) -> Iterator[tuple[str, Erasure]]:
    """By name the erasers of embeddings without a context, each fitted on the very pairs of a context of examples.

    All directions of the differences; those that hold 90 % of them; and LEACE of the latents' differences.
    """
    pairs = embedder.contexts.of(point.environment)[point.draw]
    count = point.length // 2
    features = embedder.context_features(point.environment, point.draw)[:count]
    z = F.normalize(embedder.embed(features.flatten(0, 1), NO_CONTEXT), dim=-1).unflatten(0, (-1, 2))
    yield ERASED, erase_differences(z)
    yield f"{ERASED}, {100 * MOST:g} %", erase_differences(z, MOST)
    yield f"{ERASED}, LEACE", erase_latents(z, pairs.latents[:count])


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
