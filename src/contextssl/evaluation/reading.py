"""Does the model read its context, or guess? The same views in contexts that are disturbed, each in a way that a reader would notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.data.pairs import PairSource
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.evaluation.contexts import ContextPoint, check_lengths, draw_contexts
from contextssl.evaluation.disturbances import (
    BEYOND_BLOCK,
    DISTURBANCES,
    UNSEEN_CLASSES,
    WRONG_ENVIRONMENT,
    WRONG_PAIRS,
    Disturbed,
    Draw,
    EncodedPairs,
)
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.geometry import add_share, item_folds, share_designs
from contextssl.evaluation.neighbours import knn_means
from contextssl.evaluation.probe import SingleViews
from contextssl.evaluation.scores import Scores
from contextssl.factors import Environment
from contextssl.models.contextssl import ContextSSL
from contextssl.randomness import derive_seed
from contextssl.records.results import ResultRow

# Of a context in tokens: one of the published.
LENGTH = 14


@dataclass
class Reader:
    """Single views read in any context, with all that is the same in each."""

    views: SingleViews
    model: ContextSSL
    k: int

    def __post_init__(self) -> None:
        test = self.views.test
        self.embedder = self.views.embedder
        self.scores = Scores("reading", test.split, test.factors)
        self.folds = item_folds(test)
        self.designs = share_designs(test)

    def read_drawn(self, point: ContextPoint, name: str | None = None, *, told: Environment | None = None) -> None:
        """In the context of a point as it is drawn, its actions told as another environment's where one is given."""
        drawn = point if told is None else replace(point, environment=told.name)
        self._add(point, name, *(self.embedder.unit(views, drawn) for views in (self.views.train, self.views.test)))

    def read(self, point: ContextPoint, disturbed: Disturbed) -> None:
        """In a disturbed context, which is called after a point."""
        self.embedder.progress(f"reading, {point.name}, {disturbed.name}")
        model, pairs, beyond = self.model, disturbed.pairs, disturbed.name == BEYOND_BLOCK
        with self.embedder.autocast():
            context = model.context_from_features(pairs.features, pairs.action, disturbed.told, beyond_block=beyond)
            train, test = (
                F.normalize(model.embed_features(self.embedder.features(views), context).float().cpu(), dim=-1)
                for views in (self.views.train, self.views.test)
            )
        self._add(point, disturbed.name, train, test)

    def _add(self, point: ContextPoint, name: str | None, train: Float[Tensor, "n D"], test: Float[Tensor, "m D"]) -> None:
        views, model, device = self.views, self.model, self.embedder.device
        factors, add = views.test.factors, self.scores.add_factors
        for factor, design in self.designs.items():
            add_share(self.scores, test, design, self.folds, views.test, point, factor, context=name)
        rows = test[views.rows].to(device)
        found = knn_means(train.to(device), views.train.latents.to(device), rows, self.k)
        add(found.cpu(), views.truth, factors.names, point, head="knn", items=views.clusters, context=name)
        if model.reads_latents:
            latents = model.auxiliary_prediction(rows).float().cpu()
            add(latents, views.truth, factors.names, point, head="auxiliary", items=views.clusters, context=name)


@torch.no_grad()
def reading_rows(
    views: SingleViews,
    source: PairSource,
    environments: Sequence[Environment],
    *,
    lengths: Sequence[int] | None = None,
    disturbances: Sequence[str] = DISTURBANCES,
    told_as: Sequence[Environment] | None = None,
    unseen: PairSource | None = None,
    k: int = 20,
    seed: int = 0,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"reading"``: ``variance_share``, kNN and the model's own head on every factor, in contexts as drawn and disturbed.

    ``context`` names the disturbance: None as drawn; ``"shuffled"``; ``"wrong environment (color)"``, the actions told as that environment's
    (all environments have the same pairs, so this is the context of color as drawn, under the name of the one that it is mistaken for);
    ``"random actions"``; ``"wrong pairs 25 %"``, ``50 %``, ``100 %``; ``"blank images"``; ``"nothing told"`` and ``"all told"``, the true pairs
    with all blocks zero or none; ``"scaled actions 0.5"``, ``0.3``, ``0.2``, ``0.1``; ``"unseen classes"``. Once, at two tokens, ``"one pair"``
    and ``"one pair of zeros"``; once, at twice the longest context that the block holds, ``"beyond the block"``. Means are over the embedder's
    draws of contexts, each draw disturbed in the same way everywhere. What they say together: :mod:`~contextssl.evaluation.verdict`.

    Args:
        views: variance shares are of all test views; the heads read ``views.rows`` of them.
        source: of the training split, where the embedder's contexts were drawn from.
        environments: of the contexts.
        lengths: in tokens; at 0 there is nothing to disturb, and no row. Where left out 14, and the longest that the block holds.
        disturbances: of :data:`DISTURBANCES`.
        told_as: environments that the model was trained on; those of one factor are told in the wrong place. Where left out ``environments``.
        unseen: items of classes that training never saw; without it there is no ``"unseen classes"``.
        k: neighbours.
        seed: of the disturbances.

    Raises:
        SettingsError: for an unknown disturbance, a length that the block does not hold, or a model that takes no context.
        DataError: where wrong pairs are asked for and there is but one item.
    """
    for kind in disturbances:
        if kind not in DISTURBANCES:
            raise SettingsError(f"unknown disturbance {kind!r}: {nearest(kind, DISTURBANCES)} (choices: {', '.join(DISTURBANCES)})")
    model = views.embedder.model
    if not isinstance(model, ContextSSL) or model.takes_environment_name:
        raise SettingsError("reading compares contexts, and this model takes none: evaluate it by other protocols")
    longest = model.longest_context
    lengths = sorted({min(LENGTH, longest), longest} if lengths is None else set(lengths))
    check_lengths(lengths, longest)
    if WRONG_PAIRS in disturbances and source.num_items < 2:
        raise DataError(f"{WRONG_PAIRS} need a target of another item, and there is one: leave them out of the disturbances")
    draws = _draws(views.embedder, source, longest // 2, unseen if UNSEEN_CLASSES in disturbances else None, seed)
    reader = Reader(views, model, k)
    for environment in environments:
        for length in lengths:
            for draw in draws if length else ():
                point = ContextPoint(environment.name, length, draw.index)
                reader.read_drawn(point)
                for other in environments if told_as is None else told_as:
                    if WRONG_ENVIRONMENT in disturbances and len(other.factors) == 1 and other != environment:
                        reader.read_drawn(point, f"{WRONG_ENVIRONMENT} ({other.name})", told=other)
                for disturbed in draw.disturbed(length // 2, disturbances, environment, seed):
                    # Where all is told as it is, that is no disturbance.
                    if disturbed.told != "all" or len(environment.factors) < len(model.factors.factors):
                        reader.read(point, disturbed)
        for draw in draws:
            for disturbed in draw.of_one_pair(disturbances, environment):
                reader.read(ContextPoint(environment.name, 2, draw.index), disturbed)
            if BEYOND_BLOCK in disturbances:
                reader.read(ContextPoint(environment.name, 2 * longest, draw.index), draw.beyond_block(environment))
    yield from reader.scores.rows()


def _draws(embedder: Embedder, source: PairSource, pairs: int, unseen: PairSource | None, seed: int) -> list[Draw]:
    """Every draw of the embedder with its spare and unseen pairs, each view encoded once."""
    count = len(embedder.contexts)
    # Of two spare pairs at least one is of another item than a given pair.
    spares = draw_contexts(source, max(2, pairs), count, derive_seed(seed, "spare pairs"))
    strangers = [] if unseen is None else draw_contexts(unseen, pairs, count, derive_seed(seed, UNSEEN_CLASSES))
    own, spare, other = ([EncodedPairs.of(embedder, drawn) for drawn in draws] for draws in (embedder.contexts, spares, strangers))
    blank = embedder.encode(torch.zeros_like(embedder.contexts[0].source[:1]))[0]
    return [Draw(index, own[index], spare[index], other[index] if other else None, blank) for index in range(count)]
