"""Concept erasure: the inactive factors of an environment are erased from frozen features of any method.

A baseline that needs no in-context model: the absolute factor values of a context's pairs give what to erase, by a linear map
(:mod:`~contextssl.evaluation.leace`). To make it as strong as possible, the map is also fitted on all training views, and to nonlinear
functions of the factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.leace import Erasure, fit_erasure
from contextssl.evaluation.ridge_regression import exact_device
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.single_views import SingleViews, add_fitted
from contextssl.evaluation.variance_share import add_share, item_folds, share_designs
from contextssl.evaluation.variance_share import basis as polynomial_basis
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment, FactorSpace
from contextssl.head import Head
from contextssl.records.results import ResultRow


def erasure_rows(
    views: SingleViews,
    environments: Sequence[Environment],
    lengths: Sequence[int],
    *,
    heads: Sequence[Head],
    shares: Sequence[float],
    k: int = 20,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"erasure"``: probes of every factor and the class on erased features, and each factor's ``variance_share`` of them.

    L2-normalised features are erased and not normalised again, which would bring back a little of what was erased; noise comes after the erasure.
    ``environment`` names the factors that are kept. Representations: ``"erased-context"``, fitted on the pairs of a context of this length;
    ``"erased-train"``, on all training views; ``"erased-train-basis"``, the same with polynomials of the factors' values.

    After ``"erased-train"`` a ridge without noise finds nothing of an erased factor by construction: it is fitted on the same views. An erasure
    takes as many directions as its concept has numbers: from features of few dimensions, polynomials also remove some of what should be kept.

    Args:
        environments: the factors to keep; one of all factors erases nothing and is left out, "none" erases them all.
        lengths: of the contexts that are fitted on, in tokens, two per pair; 0 fits nothing and is left out.
        heads: only those in closed form are used.
        shares: noise shares; 0 is none.

    Raises:
        SettingsError: for a length that is odd, or longer than the embedder's contexts.
    """
    embedder, test = views.embedder, views.test
    exact = exact_device(embedder.device)
    scores = Scores("erasure", test.split, test.factors)
    designs, folds = share_designs(test), item_folds(test)
    parts = [(part, embedder.unit(part.train, None).to(exact), embedder.unit(part.test, None).to(exact)) for part in views.parts()]
    for title, erasure, about in fit_erasures(embedder, views.train, environments, lengths):
        embedder.progress(f"erasure, {title}")
        for index, (part, train, tested) in enumerate(parts):
            erased, erased_test = erasure(train).cpu(), erasure(tested).cpu()
            for share in shares:
                noisy = part.noisy(erased, erased_test[part.rows], share, title)[:2]
                # Without a point: with one, a row would be called an embedding.
                add_fitted(scores, part, *noisy, heads, k, None, {**about, "bottleneck": share})
            # The first part holds the views that factors are probed on.
            for name, design in designs.items() if index == 0 else ():
                add_share(scores, erased_test, design, folds, test, None, name, **about)
    yield from scores.rows()


def fit_erasures(
    embedder: Embedder, train: ViewSet, environments: Sequence[Environment], lengths: Sequence[int]
) -> Iterator[tuple[str, Erasure, dict[str, Any]]]:
    """Per environment the erasures of its inactive factors, each fitted when it is requested, with its title and the fields of its rows.

    Few vectors span few directions: outside of the span of a context's own features, at most its length less one, nothing is erased.
    """
    exact, factors = exact_device(embedder.device), train.factors
    lengths = sorted({length for length in lengths if length != 0})
    longest = 2 * embedder.contexts.pairs
    for length in lengths:
        if length < 0 or length % 2 or length > longest:
            raise SettingsError(
                f"an erasure cannot be fitted on a context of {length} tokens: lengths are even, two tokens per pair, and at most {longest}, "
                "which is what was drawn"
            )
    unit = embedder.unit(train, None).to(exact)
    for environment in environments:
        erased_names = [name for name in factors.names if name not in environment.factors]
        if not erased_names:
            continue
        # (pairs, 2, F) and (pairs, 2, A): a prefix holds both views of the first pairs.
        drawn = [
            (F.normalize(embedder.context_features(environment.name, draw), dim=-1).to(exact), pairs.latents.to(exact))
            for draw, pairs in enumerate(embedder.contexts.of(environment.name) if lengths else ())
        ]
        for length in lengths:
            for draw, (features, latents) in enumerate(drawn):
                few, known = features[: length // 2].flatten(0, 1), latents[: length // 2].flatten(0, 1)
                erasure = fit_erasure(few, concept(known, factors, erased_names))
                about = {"representation": "erased-context", "environment": environment.name, "length": length}
                yield f"erased-context-{environment.name}-{length}-{draw}", erasure, about
        for name, polynomial in (("erased-train", False), ("erased-train-basis", True)):
            erasure = fit_erasure(unit, concept(train.latents, factors, erased_names, polynomial=polynomial).to(exact))
            yield f"{name}-{environment.name}", erasure, {"representation": name, "environment": environment.name}


def concept(latents: Float[Tensor, "n A"], factors: FactorSpace, names: Sequence[str], *, polynomial: bool = False) -> Float[Tensor, "n k"]:
    """What is erased: the named factors' values, concatenated, or each factor's :func:`~contextssl.evaluation.variance_share.basis`, no constant.

    There are no products between factors.
    """
    blocks = [(latents[:, factors.slice(name)], factors[name]) for name in names]
    return torch.cat([polynomial_basis(values, factor)[:, 1:] if polynomial else values for values, factor in blocks], dim=1)
