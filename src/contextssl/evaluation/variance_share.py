"""How much each factor counts in distances: its share of the embedding's variance, factor sensitivity, kNN."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.certificate import factor_nats
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.item_sums import resampled_share
from contextssl.evaluation.noise import noise_deviation
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.sensitivity import Variations, add_sensitivity
from contextssl.evaluation.single_views import SingleViews, add_fitted, conditions
from contextssl.evaluation.trained_probes import CLASS
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Factor
from contextssl.head import HEADS
from contextssl.records.results import ResultRow

FOLDS = 5
# Relative to an embedding's length, what float32 arithmetic may move it by.
ROUNDING = 4 * torch.finfo(torch.float32).eps
# Views per term of a basis, below which a share is left out.
VIEWS_A_TERM = 20


def basis(values: Float[Tensor, "n w"], factor: Factor) -> Float[Tensor, "n p"]:
    """A polynomial basis of a factor's values, with a constant, in double precision.

    Rotations: the quaternion's components and their products in pairs (all but w², which the others give), 14 terms with the constant; the
    products are blind to the quaternion's sign. Categories: all one-hot numbers but the last. Others: all monomials of the standardised
    components up to degree 4 for one or two components, 3 for up to four, 2 beyond.
    """
    values = values.double()
    if factor.relation == "rotation":
        monomials = [*combinations_with_replacement(range(4), 1), *combinations_with_replacement(range(4), 2)][:-1]
    elif factor.relation == "category":
        # One-hot numbers have no powers of their own, and the last follows from the others.
        monomials = [(index,) for index in range(factor.width - 1)]
    else:
        values = (values - values.mean(0)) / values.std(0, correction=0).clamp(min=1e-12)
        degree = 4 if factor.width <= 2 else 3 if factor.width <= 4 else 2
        monomials = [term for d in range(1, degree + 1) for term in combinations_with_replacement(range(factor.width), d)]
    terms = [values[:, list(term)].prod(dim=1) for term in monomials]
    return torch.stack([torch.ones(len(values), dtype=torch.float64), *terms], dim=1)


def variance_share(z: Float[Tensor, "n D"], design: Float[Tensor, "n p"], folds: Int[Tensor, " n"]) -> float:
    """1 - residual / total sum of squares of z over all dimensions, when each fold is predicted by least squares on the others.

    Cross-fitting keeps a basis of p terms from explaining p / n of anything: an unrelated factor scores about -p / n, next to nothing.
    NaN where z does not vary by more than float32 rounds.
    """
    return _share(z, *share_residuals(z, design, folds))


def _share(z: Tensor, residual: Tensor, deviation: Tensor) -> float:
    total = deviation.square().sum()
    if not float(total) > ROUNDING**2 * float(z.double().square().sum()):
        return math.nan
    return float(1 - residual.sum() / total)


def share_residuals(
    z: Float[Tensor, "n D"], design: Float[Tensor, "n p"], folds: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n D"]]:
    """Of each row the squared distance of z from what the other folds predict, and its deviation from the mean: what a variance share is made of."""
    z = z.double() - z.double().mean(0)
    # Terms of unit size, so that one threshold tells which directions the others already span.
    design = design / design.square().mean(0).sqrt().clamp(min=1e-12)
    gram, cross = design.T @ design, design.T @ z
    residual = z.new_zeros(len(z))
    for fold in folds.unique():
        x, y = design[folds == fold], z[folds == fold]
        inverse = torch.linalg.pinv(gram - x.T @ x, rtol=1e-10, hermitian=True)
        residual[folds == fold] = (y - x @ (inverse @ (cross - x.T @ y))).square().sum(1)
    return residual, z


def add_share(
    scores: Scores,
    z: Float[Tensor, "n D"],
    design: Float[Tensor, "n p"],
    folds: Int[Tensor, " n"],
    test: ViewSet,
    point: ContextPoint | None,
    factor: str,
    **about: object,
) -> None:
    """A row of a factor's :func:`variance_share` of the embeddings z of all test views."""
    residual, deviation = share_residuals(z, design, folds)
    share, draws = _share(z, residual, deviation), resampled_share(residual, deviation, test.clusters)
    scores.add("variance_share", share, floor=0.0, point=point, resampled=draws, factor=factor, count=len(test), **about)


def item_folds(views: ViewSet) -> Int[Tensor, " n"]:
    """Rows in :data:`FOLDS` folds: by item, so that an item is never on both sides; by view, where there is one item."""
    if views.num_items == 1:
        return torch.arange(len(views)) % FOLDS
    return torch.arange(views.num_items).repeat_interleave(views.per_item) % min(FOLDS, views.num_items)


def share_designs(test: ViewSet, with_class: bool = False) -> dict[str, Float[Tensor, "n p"]]:
    """Of each factor, and of the class, the basis of its variance share; those with too few views are left out, with a warning."""
    designs = {factor.name: basis(test.latents[:, test.factors.slice(factor.name)], factor) for factor in test.factors.factors}
    if with_class and test.source.num_classes > 1:
        designs[CLASS] = torch.cat([torch.ones(len(test), 1), F.one_hot(test.labels, test.source.num_classes)[:, :-1]], dim=1).double()
    for name, design in list(designs.items()):
        if len(test) < VIEWS_A_TERM * design.shape[1]:
            warnings.warn(
                f"the variance share of {name} is left out: {len(test)} {test.split} views are too few for its {design.shape[1]} terms",
                UserWarning,
                stacklevel=3,
            )
            del designs[name]
    return designs


def geometry_rows(
    views: SingleViews, points: Sequence[ContextPoint], *, shares: Sequence[float], k: int = 20, variations: Variations | None = None
) -> Iterator[ResultRow]:
    """Rows of protocol ``"geometry"``: ``variance_share`` of each factor and of the class, kNN, ``sensitivity`` of each factor (where there are
    variations), and under noise ``factor_nats``, the bound of :mod:`~contextssl.evaluation.certificate`.

    kNN is of ``views.rows`` of the test views among the training views; variance shares are of all test views.
    """
    embedder, test = views.embedder, views.test
    scores = Scores("geometry", test.split, test.factors)
    designs, folds = share_designs(test, with_class=True), item_folds(test)
    for point in [None, *points]:
        embedder.progress(f"geometry, {'features' if point is None else point.name}")
        unit = embedder.unit(test, point)
        about: dict[str, object] = {"representation": "feature"} if point is None else {}
        for name, design in designs.items():
            add_share(scores, unit, design, folds, test, point, name, **about)
        if variations is not None:
            z, moved = variations.moves(embedder, point)
            add_sensitivity(scores, z, moved, variations, point=point, **about)
            for share in shares if point is not None else ():
                if share > 0:
                    # The deviation of the probes' noise.
                    deviation = noise_deviation(embedder.unit(views.train, point), share)
                    for name, move in moved.items():
                        nats = factor_nats(test.factors[name], move, deviation)
                        scores.add("factor_nats", nats, floor=0.0, point=point, factor=name, count=len(move), bottleneck=share)
    for part in views.parts():
        for point, share in conditions(points, shares):
            add_fitted(scores, part, *part.inputs(point, share)[:2], [HEADS.built_in["knn"]], k, point, {"bottleneck": share})
    yield from scores.rows()
