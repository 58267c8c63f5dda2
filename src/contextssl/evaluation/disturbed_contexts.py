"""Context sensitivity: the same views probed in contexts as drawn and in contexts that are disturbed in one way each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.data.pairs import PairSource
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.evaluation.contexts import REPORTED_LENGTH, ContextPoint, check_lengths, draw_contexts
from contextssl.evaluation.disturbances import (
    BEYOND_BLOCK,
    DISTURBANCES,
    FOREIGN,
    NOT_OF,
    UNSEEN_CLASSES,
    WRONG_ENVIRONMENT,
    WRONG_PAIRS,
    Disturbed,
    Draw,
    EncodedPairs,
    foreign_name,
)
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.foreign_pairs import ForeignPairs
from contextssl.evaluation.neighbours import knn_means
from contextssl.evaluation.pair_erasure import NO_CONTEXT, erasers
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.variance_share import add_share, item_folds, share_designs
from contextssl.factors import Environment
from contextssl.models.contextssl import ContextSSL
from contextssl.randomness import derive_seed
from contextssl.records.results import ResultRow


@dataclass
class Probed:
    """Single views probed in any context, with what is the same in each."""

    views: SingleViews
    model: ContextSSL
    k: int

    def __post_init__(self) -> None:
        test = self.views.test
        self.embedder = self.views.embedder
        self.scores = Scores("context-sensitivity", test.split, test.factors)
        self.folds = item_folds(test)
        self.designs = share_designs(test)

    def add_drawn(self, point: ContextPoint, drawn: ContextPoint, name: str | None = None) -> None:
        """In a context as drawn; rows are of ``point``."""
        self._add(point, name, self.embedder.unit(self.views.train, drawn), self.embedder.unit(self.views.test, drawn))

    def add_disturbed(self, point: ContextPoint, disturbed: Disturbed) -> None:
        """In a disturbed context; rows are of ``point``."""
        self.embedder.progress(f"context sensitivity, {point.name}, {disturbed.name}")
        context = disturbed.pairs.context(self.embedder, disturbed.environment, beyond_block=disturbed.name == BEYOND_BLOCK)
        train, test = (
            F.normalize(self.embedder.embed_in(self.embedder.features(views), context), dim=-1)
            for views in (self.views.train, self.views.test)
        )
        self._add(point, disturbed.name, train, test)

    def add_erased(self, point: ContextPoint) -> None:
        """Without a context, after linear erasure by the pairs that the context of the point holds."""
        train, test = (self.embedder.unit(views, NO_CONTEXT) for views in (self.views.train, self.views.test))
        for name, erase in erasers(self.embedder, point):
            self._add(point, name, erase(train), erase(test), auxiliary=False)

    def _add(
        self, point: ContextPoint, name: str | None, train: Float[Tensor, "n D"], test: Float[Tensor, "m D"], *, auxiliary: bool = True
    ) -> None:
        views, model, device = self.views, self.model, self.embedder.device
        factors, add = views.test.factors, self.scores.add_factors
        for factor, design in self.designs.items():
            add_share(self.scores, test, design, self.folds, views.test, point, factor, context=name)
        rows = test[views.rows].to(device)
        found = knn_means(train.to(device), views.train.latents.to(device), rows, self.k)
        add(found.cpu(), views.truth, factors.names, point, head="knn", items=views.clusters, context=name)
        # The head has never seen an erased embedding.
        if model.reads_latents and auxiliary:
            latents = model.auxiliary_prediction(rows).float().cpu()
            add(latents, views.truth, factors.names, point, head="auxiliary", items=views.clusters, context=name)


@torch.no_grad()
def context_sensitivity_rows(
    views: SingleViews,
    source: PairSource,
    environments: Sequence[Environment],
    *,
    lengths: Sequence[int] | None = None,
    disturbances: Sequence[str] = DISTURBANCES,
    other_environments: Sequence[Environment] | None = None,
    unseen: PairSource | None = None,
    foreign: Sequence[ForeignPairs] = (),
    k: int = 20,
    seed: int = 0,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"context-sensitivity"``: variance share, kNN and the model's own head per factor, in contexts as drawn and disturbed.

    ``context`` names the disturbance (:mod:`~contextssl.evaluation.disturbances`), None as drawn, and its kind: ``"wrong environment (color)"``
    (the context of color as drawn, in a row of the other environment), ``"wrong pairs 25 %"``, ``"half the pairs of color"``,
    ``"scaled actions 0.5"``, ``"pairs of photos"``. Once, at two tokens, ``"one pair"`` and ``"one pair of zeros"``; once, at twice the
    longest context that the block holds, ``"beyond the block"``. Beside contexts of examples stand embeddings without a context after
    :mod:`~contextssl.evaluation.pair_erasure`, ``"erased by the same pairs"``. What the rows imply together: :mod:`~contextssl.evaluation.verdict`.

    Args:
        views: variance shares are of all test views; ``views.rows`` of them are probed.
        source: the training split that the embedder's contexts were drawn from.
        lengths: in tokens; length 0 gives no rows. Default: 14, and the longest that the block holds.
        disturbances: of :data:`DISTURBANCES`; those that the model's kind of context does not have are left out.
        other_environments: those of one factor are given in the place of the true one. Default: ``environments``.
        unseen: items of classes not seen in training; None omits ``"unseen classes"``.
        foreign: other data, whose pairs make contexts of each environment that their factors can express.
        k: of kNN.

    Raises:
        SettingsError: for an unknown disturbance, a length that the block does not hold, or a model that takes no context.
        DataError: where there is only one item to make wrong pairs from, or ``foreign`` has no pairs for an environment.
    """
    for kind in disturbances:
        if kind not in DISTURBANCES:
            raise SettingsError(f"unknown disturbance {kind!r}: {nearest(kind, DISTURBANCES)} (choices: {', '.join(DISTURBANCES)})")
    model = views.embedder.model
    if not isinstance(model, ContextSSL) or model.takes_environment_name:
        raise SettingsError("this model takes no context pairs: evaluate it by other protocols than context-sensitivity")
    longest = model.longest_context
    lengths = sorted({min(REPORTED_LENGTH, longest), longest} if lengths is None else set(lengths))
    check_lengths(lengths, longest)
    if WRONG_PAIRS in disturbances and source.num_items < 2:
        raise DataError(f"{WRONG_PAIRS} need a target of another item, and there is only one item: leave them out of the disturbances")
    shared = model.context_kind == "actions"
    disturbances = [kind for kind in disturbances if kind not in NOT_OF[model.context_kind]]
    unseen = unseen if UNSEEN_CLASSES in disturbances else None
    foreign = foreign if FOREIGN in disturbances else ()
    others = environments if other_environments is None else other_environments
    draws = _draws(views.embedder, source, longest // 2, unseen, seed) if shared else []
    probed = Probed(views, model, k)
    for environment in environments:
        if not shared:
            contradicting = [each for each in others if each != environment]
            draws = _draws(views.embedder, source, longest // 2, unseen, seed, environment, contradicting, foreign)
        for length in lengths:
            for draw in draws if length else ():
                point = ContextPoint(environment.name, length, draw.index)
                probed.add_drawn(point, point)
                if model.context_kind == "examples":
                    probed.add_erased(point)
                for other in others:
                    if WRONG_ENVIRONMENT in disturbances and len(other.factors) == 1 and other != environment:
                        probed.add_drawn(point, replace(point, environment=other.name), f"{WRONG_ENVIRONMENT} ({other.name})")
                for disturbed in draw.disturbed(length // 2, disturbances, environment, seed):
                    # Where all factors are active already, that is no disturbance.
                    if disturbed.environment != "all" or len(environment.factors) < len(model.factors.factors):
                        probed.add_disturbed(point, disturbed)
        for draw in draws:
            for disturbed in draw.of_one_pair(disturbances, environment):
                probed.add_disturbed(ContextPoint(environment.name, 2, draw.index), disturbed)
            if BEYOND_BLOCK in disturbances:
                probed.add_disturbed(ContextPoint(environment.name, 2 * longest, draw.index), draw.beyond_block(environment))
    yield from probed.scores.rows()


def _draws(
    embedder: Embedder,
    source: PairSource,
    pairs: int,
    unseen: PairSource | None,
    seed: int,
    environment: Environment | None = None,
    others: Sequence[Environment] = (),
    foreign: Sequence[ForeignPairs] = (),
) -> list[Draw]:
    """Every draw of the embedder with its spare, unseen and foreign pairs, each view encoded once.

    ``environment`` is None where all environments share their pairs, and no pairs are foreign; the pairs of ``others`` contradict it.
    """

    def drawn(environment: Environment | None) -> list[EncodedPairs]:
        """The embedder's own contexts of an environment, or those that all share."""
        name = None if environment is None else environment.name
        each = enumerate(embedder.contexts.of(name))
        return [EncodedPairs.of(embedder, pairs, embedder.context_features(name, draw)) for draw, pairs in each]

    own, count, kind = drawn(environment), len(embedder.contexts), embedder.model.context_kind
    contradicting = {other.name: drawn(other) for other in others}
    # Of two spare pairs at least one is of another item than a given pair.
    spares = draw_contexts(source, max(2, pairs), count, derive_seed(seed, "spare pairs"), environment, kind)
    strangers = [] if unseen is None else draw_contexts(unseen, pairs, count, derive_seed(seed, UNSEEN_CLASSES), environment, kind)
    blank = embedder.encode(torch.zeros_like(embedder.contexts.shared[0].source[:1]))[0]
    spare = [EncodedPairs.of(embedder, pairs) for pairs in spares]
    strange: Sequence[EncodedPairs | None] = [EncodedPairs.of(embedder, pairs) for pairs in strangers] or [None] * count
    foreigners = {}
    if environment is not None:
        for each in foreign:
            # There are none where its factors cannot express the environment.
            if theirs := each.encoded(embedder, pairs, count, derive_seed(seed, foreign_name(each.name)), environment):
                foreigners[each.name] = theirs

    def of_draw(by_name: Mapping[str, Sequence[EncodedPairs]], index: int) -> dict[str, EncodedPairs]:
        return {name: theirs[index] for name, theirs in by_name.items()}

    return [
        Draw(index, own[index], spare[index], strange[index], blank, of_draw(contradicting, index), of_draw(foreigners, index))
        for index in range(count)
    ]
