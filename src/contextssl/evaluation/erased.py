"""Erasure after the fact: frozen features of any method, out of which the factors that an environment does not tell are erased.

It is the rival that needs no context model. A context says by its actions what is to remain; here the absolute factor values of the same
pairs say what is to go, and a linear map (Belrose et al., "LEACE: Perfect linear concept erasure in closed form", NeurIPS 2023) takes it
out. As strong as it can be made, the map is fitted on the whole training view set, and to nonlinear functions of the factors as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.erasure import Erasure, fit_erasure
from contextssl.evaluation.geometry import add_share, item_folds, share_designs
from contextssl.evaluation.geometry import basis as polynomial_basis
from contextssl.evaluation.noise import noise_deviation, with_noise
from contextssl.evaluation.probe import SingleViews, add_fitted
from contextssl.evaluation.ridge import exact_device
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment, FactorSpace
from contextssl.head import Head
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow


@dataclass(frozen=True)
class Fitted:
    """An erasure, and what it was fitted on: ``representation``, ``environment`` (what remains), ``length`` (tokens; None for the training
    views) and, of contexts, which draw."""

    erasure: Erasure
    representation: str
    environment: str
    length: int | None = None
    draw: int = 0

    @property
    def name(self) -> str:
        """``erased-context-rotation-14-0``, ``erased-train-rotation``."""
        fitted_on = [] if self.length is None else [str(self.length), str(self.draw)]
        return "-".join([self.representation, self.environment, *fitted_on])

    @property
    def about(self) -> dict[str, object]:
        return {"representation": self.representation, "environment": self.environment, "length": self.length}


def erasure_rows(
    views: SingleViews,
    environments: Sequence[Environment],
    lengths: Sequence[int],
    *,
    heads: Sequence[Head],
    shares: Sequence[float],
    k: int = 20,
    basis: bool = True,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"erasure"``: every factor and the class read from erased features, and each factor's ``variance_share`` of them.

    L2-normalised features are erased and not normalised again, which would bring back a little of what went; noise comes after the erasure,
    its deviation measured on the erased training views. ``environment`` names what remains. Representations: ``"erased-context"``, fitted on
    the pairs that a context of this length holds, mean and deviation over the drawn contexts; ``"erased-train"``, fitted on all training views;
    ``"erased-train-basis"``, the same with polynomials of the factors' values in the place of the values.

    After ``"erased-train"`` a ridge without noise finds nothing of a forgotten factor by construction: it is fitted on the same views.
    What neighbours, the variance share and the other factors say is the news. An erasure takes as many directions as its concept has numbers,
    whether they hold any of it or not: of features of few dimensions, polynomials take some of what should remain.

    Args:
        views: probes are trained on ``views.train``, from which "erased-train" is fitted too; ``views.seed`` settles the noise.
        environments: what is to remain; one that tells all factors erases nothing and is left out, "none" erases them all.
        lengths: of the contexts that are fitted on, in tokens, two a pair; 0 fits nothing and is left out.
        heads: those that are trained read nothing here.
        shares: noise shares; 0 is none.
        k: neighbours.
        basis: whether to fit ``"erased-train-basis"``.

    Raises:
        SettingsError: for a length that is odd, or longer than the embedder's contexts.
    """
    embedder, test = views.embedder, views.test
    exact = exact_device(embedder.device)
    scores = Scores("erasure", test.split, test.factors)
    designs, folds = share_designs(test), item_folds(test)
    parts = [(part, embedder.unit(part.train, None).to(exact), embedder.unit(part.test, None).to(exact)) for part in views.parts()]
    for fitted in fit_erasures(embedder, views.train, environments, lengths, basis=basis):
        embedder.progress(f"erasure, {fitted.name}")
        for index, (part, train, read) in enumerate(parts):
            erased, erased_test = fitted.erasure(train).cpu(), fitted.erasure(read).cpu()
            for share in shares:
                noisy = _with_noise(erased, erased_test[part.rows], share, part, fitted.name)
                # Without a point: with one, a row would be called an embedding.
                add_fitted(scores, part, *noisy, heads, k, None, {**fitted.about, "bottleneck": share})
            # The first part holds the views that factors are read from.
            for name, design in designs.items() if index == 0 else ():
                add_share(scores, erased_test, design, folds, test, None, name, **fitted.about)
    yield from scores.rows()


def fit_erasures(
    embedder: Embedder, train: ViewSet, environments: Sequence[Environment], lengths: Sequence[int], *, basis: bool = True
) -> Iterator[Fitted]:
    """For each environment the erasures of every factor that it does not tell, each when it is asked for.

    Few vectors know few directions: outside of the span of a context's own features, at most its length less one, nothing is erased.
    """
    exact, factors = exact_device(embedder.device), train.factors
    lengths = sorted({length for length in lengths if length != 0})
    longest = 2 * min((len(pairs) for pairs in embedder.contexts), default=0)
    for length in lengths:
        if length < 0 or length % 2 or length > longest:
            raise SettingsError(
                f"an erasure cannot be fitted on a context of {length} tokens: lengths are even, two tokens a pair, and at most {longest}, "
                "which is what was drawn"
            )
    # (pairs, 2, F) and (pairs, 2, A): a prefix holds both views of the first pairs.
    contexts: list[tuple[Tensor, Tensor]] = []
    for pairs in embedder.contexts if lengths else ():
        features = torch.stack([embedder.encode(pairs.source), embedder.encode(pairs.target)], dim=1)
        latents = torch.stack([pairs.source_latents, pairs.target_latents], dim=1)
        contexts.append((F.normalize(features, dim=-1).to(exact), latents.to(exact)))
    unit = embedder.unit(train, None).to(exact)
    for environment in environments:
        forgotten = [name for name in factors.names if name not in environment.factors]
        if not forgotten:
            continue
        for length in lengths:
            for draw, (features, latents) in enumerate(contexts):
                few, known = features[: length // 2].flatten(0, 1), latents[: length // 2].flatten(0, 1)
                erasure = fit_erasure(few, concept(known, factors, forgotten))
                yield Fitted(erasure, "erased-context", environment.name, length, draw)
        for name, polynomial in (("erased-train", False), ("erased-train-basis", True)):
            if basis or not polynomial:
                erasure = fit_erasure(unit, concept(train.latents, factors, forgotten, polynomial=polynomial).to(exact))
                yield Fitted(erasure, name, environment.name)


def concept(latents: Float[Tensor, "n A"], factors: FactorSpace, names: Sequence[str], *, polynomial: bool = False) -> Float[Tensor, "n k"]:
    """What is erased: the named factors' values side by side, or each factor's :func:`~contextssl.evaluation.geometry.basis`, no constant.

    There are no products between factors.
    """
    blocks = [(latents[:, factors.slice(name)], factors[name]) for name in names]
    return torch.cat([polynomial_basis(values, factor)[:, 1:] if polynomial else values for values, factor in blocks], dim=1)


def _with_noise(
    train: Float[Tensor, "n F"], test: Float[Tensor, "m F"], share: float, views: SingleViews, name: str
) -> tuple[Float[Tensor, "n F"], Float[Tensor, "m F"]]:
    """Both under noise of one deviation, that of the training views: as :meth:`SingleViews.inputs`."""
    if share == 0:
        return train, test
    deviation = noise_deviation(train, share)
    purposes = (("train", views.train.split), ("test", views.test.split))
    generators = [seeded_generator(views.seed, "noise", *purpose, name, f"{share:g}") for purpose in purposes]
    return with_noise(train, deviation, generators[0]), with_noise(test, deviation, generators[1])
