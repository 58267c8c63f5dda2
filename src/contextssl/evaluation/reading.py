"""Does the model read its context, or guess? The same views in contexts that are disturbed, each in a way that a reader would notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.errors import DataError, SettingsError, nearest
from contextssl.evaluation.contexts import ContextPoint, check_lengths, draw_contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.geometry import add_share, item_folds, share_designs
from contextssl.evaluation.neighbours import knn_means
from contextssl.evaluation.probe import SingleViews
from contextssl.evaluation.results import ResultRow
from contextssl.evaluation.scores import Scores
from contextssl.factors import Environment
from contextssl.models.contextssl import ContextSSL
from contextssl.pairs import PairBatch, PairSource
from contextssl.randomness import derive_seed, seeded_generator

SHUFFLED = "shuffled"
WRONG_ENVIRONMENT = "wrong environment"
RANDOM_ACTIONS = "random actions"
WRONG_PAIRS = "wrong pairs"
UNSEEN_CLASSES = "unseen classes"
BEYOND_BLOCK = "beyond the block"
DISTURBANCES = (SHUFFLED, WRONG_ENVIRONMENT, RANDOM_ACTIONS, WRONG_PAIRS, UNSEEN_CLASSES, BEYOND_BLOCK)
# Which part of the pairs is wrong.
WRONG_SHARES = (0.25, 0.5, 1.0)
# Of a context in tokens: one of the published.
LENGTH = 14


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs of a context as the predictor takes them.

    Args:
        features: (k, 2, F) of sources and of targets.
        action: (k, A) of all factors.
        items: (k, 2) of which item each source and each target is.
    """

    features: Float[Tensor, "k 2 F"]
    action: Float[Tensor, "k A"]
    items: Int[Tensor, "k 2"]

    @classmethod
    def of(cls, embedder: Embedder, pairs: PairBatch) -> EncodedPairs:
        features = torch.stack([embedder.encode(pairs.source), embedder.encode(pairs.target)], dim=1)
        return cls(features, pairs.action, torch.stack([pairs.items, pairs.items], dim=1))

    def __len__(self) -> int:
        return len(self.action)

    def __getitem__(self, chosen: Int[Tensor, " n"] | slice) -> EncodedPairs:
        return EncodedPairs(self.features[chosen], self.action[chosen], self.items[chosen])

    def followed_by(self, other: EncodedPairs) -> EncodedPairs:
        """One context of both."""
        parts = ((self.features, other.features), (self.action, other.action), (self.items, other.items))
        return EncodedPairs(*(torch.cat(part) for part in parts))


def cycle(count: int, generator: torch.Generator) -> Int[Tensor, " count"]:
    """A permutation that leaves nothing in its place: one cycle through all, drawn evenly from such cycles (of one number: itself)."""
    order = torch.randperm(count, generator=generator)
    moved = torch.empty_like(order)
    moved[order] = order.roll(1)
    return moved


def shuffled(pairs: EncodedPairs, generator: torch.Generator) -> EncodedPairs:
    """The same pairs in another order."""
    return pairs[cycle(len(pairs), generator)]


def random_actions(pairs: EncodedPairs, generator: torch.Generator) -> EncodedPairs:
    """The same views and the same actions, each action at another pair. Actions that happen to be alike (categories) may still fit."""
    return replace(pairs, action=pairs.action[cycle(len(pairs), generator)])


def wrong_pairs(pairs: EncodedPairs, spare: EncodedPairs, share: float, generator: torch.Generator) -> EncodedPairs:
    """A share of the pairs, rounded up, with a target out of ``spare`` that is of another item.

    The wrong pairs of a smaller share are among those of a larger one, if both come with a generator of one seed.
    """
    chosen = torch.randperm(len(pairs), generator=generator)[: ceil(share * len(pairs))]
    # From its own place on, the first spare target of another item: a target is used once, but for the few places where items agree.
    places = (chosen[:, None] + torch.arange(len(spare))) % len(spare)
    other = spare.items[:, 1][places] != pairs.items[chosen, :1]
    taken = places.gather(1, other.int().argmax(dim=1, keepdim=True))[:, 0]
    features, items = pairs.features.clone(), pairs.items.clone()
    features[chosen, 1], items[chosen, 1] = spare.features[taken, 1], spare.items[taken, 1]
    return replace(pairs, features=features, items=items)


@dataclass(frozen=True)
class Draw:
    """What the contexts of one draw are made of.

    Args:
        index: which draw.
        own: the pairs as drawn, as many as the block holds beside a query.
        spare: at least as many further pairs of the training split, of two items or more if it has them.
        unseen: as many pairs of items of unseen classes.
    """

    index: int
    own: EncodedPairs
    spare: EncodedPairs
    unseen: EncodedPairs | None

    def disturbed(self, pairs: int, kinds: Sequence[str], seed: int) -> Iterator[tuple[str, EncodedPairs]]:
        """Contexts of so many pairs with the names of their disturbances; what a single pair cannot show is left out."""
        own = self.own[:pairs]
        if SHUFFLED in kinds and pairs > 1:
            yield SHUFFLED, shuffled(own, seeded_generator(seed, SHUFFLED, self.index))
        if RANDOM_ACTIONS in kinds and pairs > 1:
            yield RANDOM_ACTIONS, random_actions(own, seeded_generator(seed, RANDOM_ACTIONS, self.index))
        if WRONG_PAIRS in kinds:
            for share in WRONG_SHARES:
                generator = seeded_generator(seed, WRONG_PAIRS, self.index)
                yield f"{WRONG_PAIRS} {100 * share:g} %", wrong_pairs(own, self.spare, share, generator)
        if UNSEEN_CLASSES in kinds and self.unseen is not None:
            yield UNSEEN_CLASSES, self.unseen[:pairs]


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

    def read(self, point: ContextPoint, name: str, pairs: EncodedPairs) -> None:
        """In a context of these pairs, which is called after a point and a disturbance."""
        self.embedder.progress(f"reading, {point.name}, {name}")
        model, beyond = self.model, name == BEYOND_BLOCK
        with self.embedder.autocast():
            context = model.context_from_features(pairs.features, pairs.action, point.environment, beyond_block=beyond)
            train, test = (
                F.normalize(model.embed_features(self.embedder.features(views), context).float().cpu(), dim=-1)
                for views in (self.views.train, self.views.test)
            )
        self._add(point, name, train, test)

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
    ``"random actions"``; ``"wrong pairs 25 %"``, ``50 %``, ``100 %``; ``"unseen classes"``; ``"beyond the block"``, once, at twice the
    longest context that the block holds. Means are over the embedder's draws of contexts, each draw disturbed in the same way everywhere.

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
    if not isinstance(model, ContextSSL):
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
                for name, pairs in draw.disturbed(length // 2, disturbances, seed):
                    # Where no action is told, none can be wrong.
                    if name != RANDOM_ACTIONS or environment.factors:
                        reader.read(point, name, pairs)
        for draw in draws if BEYOND_BLOCK in disturbances else ():
            reader.read(
                ContextPoint(environment.name, 2 * longest, draw.index), BEYOND_BLOCK, draw.own.followed_by(draw.spare[: longest // 2])
            )
    yield from reader.scores.rows()


def _draws(embedder: Embedder, source: PairSource, pairs: int, unseen: PairSource | None, seed: int) -> list[Draw]:
    """Every draw of the embedder with its spare and unseen pairs, each view encoded once."""
    count = len(embedder.contexts)
    # Of two spare pairs at least one is of another item than a given pair.
    spares = draw_contexts(source, max(2, pairs), count, derive_seed(seed, "spare pairs"))
    strangers = [] if unseen is None else draw_contexts(unseen, pairs, count, derive_seed(seed, UNSEEN_CLASSES))
    own, spare, other = ([EncodedPairs.of(embedder, drawn) for drawn in draws] for draws in (embedder.contexts, spares, strangers))
    return [Draw(index, own[index], spare[index], other[index] if other else None) for index in range(count)]
