"""Retrieval: is the predicted target nearer to the true target than to the object's other views?

For each query (source view, target view) the model predicts the target's embedding from the source's features and the action of the active factors,
in a context; all views of the object, embedded in the same context, are ranked by their cosine similarity to it. Source: Garrido et al.,
"Self-supervised learning of split invariant equivariant representations" (SIE), 2023; Gupta et al., 2024, table 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint, pairs_words
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.item_sums import resampled_mean
from contextssl.evaluation.metrics import TIED, chance_reciprocal_rank, tied_hits, tied_places, tied_reciprocal_rank
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.view_sets import ViewSet, distinct
from contextssl.factors import Environment, Factor, FactorSpace
from contextssl.models.neighbours import cosine_tolerance
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow

HITS = (1, 2, 5, 10)
# Predictions, or distances between them and candidates, that are held at once.
CHUNK_NUMBERS = 1 << 24


@dataclass(frozen=True)
class Queries:
    """The queries of each of N items: ``q`` pairs of different views, and ``i`` identity queries (target = source); ``views`` has each item."""

    source: Int[Tensor, "N q"]
    target: Int[Tensor, "N q"]
    identity: Int[Tensor, "N i"]
    views: int

    @classmethod
    def draw(cls, items: int, views: int, sources: str, per_item: int, seed: int) -> Queries:
        """Of ``"all"`` sources ``per_item`` different pairs of each item, drawn from the seed, and a tenth as many identity queries (0: all of
        them); of the ``"first"``, view 0 alone, every target, as published.
        """
        if sources == "first":
            target = torch.arange(1, views).expand(items, views - 1)
            return cls(torch.zeros_like(target), target, torch.zeros(items, 1, dtype=torch.long), views)
        generator = seeded_generator(seed, "queries")
        pairs = views * (views - 1)
        number = distinct(items, pairs, per_item or pairs, generator)
        source = number // (views - 1)
        target = (source + 1 + number % (views - 1)) % views
        identities = views if number.shape[1] == pairs else max(1, round(per_item / 10))
        return cls(source, target, distinct(items, views, identities, generator), views)

    @property
    def count(self) -> int:
        return self.source.numel()

    def with_identity(self, other: Float[Tensor, " N"] | float, identity: Float[Tensor, " N"] | float) -> Float[Tensor, " N"] | float:
        """The mean over all (source, target), 1 / views of which are identity queries."""
        return ((self.views - 1) * other + identity) / self.views


@torch.no_grad()
def retrieval_rows(
    embedder: Embedder,
    views: ViewSet,
    points: Sequence[ContextPoint],
    environments: Sequence[Environment],
    *,
    sources: str = "all",
    per_item: int = 50,
    seed: int = 0,
    normalize: bool = True,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"retrieval"``, from all views of each item, in order.

    ``mrr``, ``hit@k`` and ``pre`` exclude identity queries; ``…_with_identity`` include them. At length 0 there is no context, but the action
    still depends on the environment, so there is a row for each. Ranks are by cosine, or, not normalised, by inner product.
    """
    scores = Scores("retrieval", views.split, views.factors)
    queries = Queries.draw(views.num_items, views.per_item, sources, per_item, seed)
    for point in points:
        for environment in environments:
            if point.environment in (None, environment.name):
                embedder.progress(f"retrieval among {views.num_items:,} items, {environment.name}, {pairs_words(point.length)}")
                found = _retrieve(embedder, views, point, environment, queries, normalize)
                _add(scores, views, queries, point, environment, found)
    yield from scores.rows()


def _retrieve(
    embedder: Embedder, views: ViewSet, point: ContextPoint, environment: Environment, queries: Queries, normalize: bool
) -> dict[str, Float[Tensor, " N"]]:
    """The mean of each metric over each item's queries of different views; ``identity/…`` over its identity queries."""
    shape = (views.num_items, views.per_item, -1)
    features = embedder.features(views).view(shape)
    candidates = embedder.representation(views, None if embedder.model.predicts_features else point, normalize).view(shape)
    latents = views.latents.view(shape)
    means: dict[str, list[Tensor]] = {}
    width = max(features.shape[-1], embedder.model.projection_dim, views.per_item)
    for prefix, source, target in (("", queries.source, queries.target), ("identity/", queries.identity, queries.identity)):
        step = max(1, CHUNK_NUMBERS // (source.shape[1] * width))
        for start in range(0, views.num_items, step):
            part = slice(start, start + step)
            s, t, poses = source[part], target[part], latents[part]
            action = views.factors.relative(_pick(poses, s), _pick(poses, t)).flatten(0, 1)
            predicted = embedder.embed(_pick(features[part], s).flatten(0, 1), point, embedder.model.query_action(action, environment))
            predicted = (F.normalize(predicted, dim=-1) if normalize else predicted).view(*s.shape, -1)
            cosines = torch.bmm(predicted, candidates[part].transpose(1, 2))
            # Inner products are rounded in proportion to the lengths of both.
            scale = 1.0 if normalize else float(predicted.norm(dim=-1).max() * candidates[part].norm(dim=-1).max())
            tolerance = scale * cosine_tolerance(candidates.shape[-1])
            for name, value in query_scores(cosines, t, poses, views.factors, tolerance).items():
                means.setdefault(prefix + name, []).append(value.double().mean(dim=1))
    return {name: torch.cat(parts) for name, parts in means.items()}


def query_scores(
    cosines: Float[Tensor, "N q V"],
    target: Int[Tensor, "N q"],
    latents: Float[Tensor, "N V A"],
    factors: FactorSpace,
    tolerance: float = TIED,
) -> dict[str, Float[Tensor, "N q"]]:
    """Every metric of every query: ``mrr``, ``hit@k``, and ``pre/FACTOR``.

    PRE, the prediction retrieval error, is how far the factor's value of the nearest candidate is from the target's: 1 - ⟨q, q′⟩² for
    rotations (0 to 1), the mean squared difference for others. Candidates that tie for nearest, within the tolerance, count by their mean.
    """
    above, tied = tied_places(cosines, target, tolerance)
    found = {"mrr": tied_reciprocal_rank(above, tied), **{f"hit@{k}": tied_hits(above, tied, k) for k in HITS}}
    nearest = (cosines >= cosines.amax(-1, keepdim=True) - tolerance).float()
    nearest /= nearest.sum(-1, keepdim=True)
    for factor in factors.factors:
        apart = _distances(latents[..., factors.slice(factor.name)], factor)
        found[f"pre/{factor.name}"] = (nearest * _pick(apart, target)).sum(-1)
        found[f"chance/{factor.name}"] = _pick(apart, target).mean(-1)
    return found


def _distances(values: Float[Tensor, "N V w"], factor: Factor) -> Float[Tensor, "N V V"]:
    if factor.relation == "rotation":
        return (1 - (values @ values.transpose(1, 2)).square()).clamp(min=0)
    return (values[:, :, None] - values[:, None]).square().mean(-1)


def _pick(values: Float[Tensor, "N V w"], index: Int[Tensor, "N q"]) -> Float[Tensor, "N q w"]:
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def _add(
    scores: Scores, views: ViewSet, queries: Queries, point: ContextPoint, environment: Environment, found: Mapping[str, Tensor]
) -> None:
    """Rows of means over items, each of which has as many queries as any other."""
    several, clusters = queries.views, views.clusters[:: views.per_item]

    def add(name: str, each: Tensor, floor: float, count: int = queries.count, **about: Any) -> None:
        draws = resampled_mean(each, clusters)
        about |= {"point": point, "environment": environment.name, "count": count}
        scores.add(name, float(each.mean()), floor=floor, resampled=draws, **about)

    for name in ("mrr", *(f"hit@{k}" for k in HITS)):
        floor = chance_reciprocal_rank(several) if name == "mrr" else min(1.0, int(name.removeprefix("hit@")) / several)
        add(name, found[name], floor)
        counted = torch.as_tensor(queries.with_identity(found[name], found[f"identity/{name}"]))
        add(f"{name}_with_identity", counted, floor, count=queries.count + queries.identity.numel())
    for name in views.factors.names:
        add("pre", found[f"pre/{name}"], float(found[f"chance/{name}"].mean()), factor=name)
