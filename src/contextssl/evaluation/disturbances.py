"""Disturbances of a context: each breaks one thing that a model may depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.data.pairs import PairBatch
from contextssl.evaluation.embeddings import Embedder
from contextssl.factors import NO_FACTOR, Environment
from contextssl.models.contextssl import ContextSSL
from contextssl.models.predictor import Context
from contextssl.randomness import seeded_generator

SHUFFLED = "shuffled"
WRONG_ENVIRONMENT = "wrong environment"
RANDOM_ACTIONS = "random actions"
DEALT_ANEW = "partners dealt anew"
WRONG_PAIRS = "wrong pairs"
CONTRADICTING = "half the pairs of"
ONE_IMAGE = "one image everywhere"
BLANK_IMAGES = "blank images"
NONE_ACTIVE = "no factor active"
ALL_ACTIVE = "all factors active"
SCALED_ACTIONS = "scaled actions"
ONE_PAIR = "one pair"
ZERO_PAIR = "one pair of zeros"
UNSEEN_CLASSES = "unseen classes"
FOREIGN = "pairs of"
BEYOND_BLOCK = "beyond the block"
DISTURBANCES = (
    SHUFFLED, WRONG_ENVIRONMENT, RANDOM_ACTIONS, DEALT_ANEW, WRONG_PAIRS, CONTRADICTING, ONE_IMAGE, BLANK_IMAGES, NONE_ACTIVE, ALL_ACTIVE,
    SCALED_ACTIONS, ONE_PAIR, ZERO_PAIR, UNSEEN_CLASSES, FOREIGN, BEYOND_BLOCK,
)  # fmt: skip
# Those that do not apply to a kind of context: examples have no actions; no block of evidence is zero; in the paper's contexts all environments
# share their pairs, and pairs of other data have no actions of the model's factors.
NOT_OF: Mapping[str, tuple[str, ...]] = {
    "actions": (CONTRADICTING, FOREIGN),
    "examples": (RANDOM_ACTIONS, NONE_ACTIVE, ALL_ACTIVE, SCALED_ACTIONS, ZERO_PAIR),
    "evidence": (NONE_ACTIVE, ALL_ACTIVE, SCALED_ACTIONS, ZERO_PAIR),
}
# Which part of the pairs is wrong.
WRONG_SHARES = (0.25, 0.5, 1.0)
# Multiples of the actions.
SCALES = (0.5, 0.3, 0.2, 0.1)
# Every number of the active block in a pair of zeros.
CONSTANT = 0.5


def wrong_pairs_name(share: float) -> str:
    return f"{WRONG_PAIRS} {100 * share:g} %"


def foreign_name(data: str) -> str:
    """Of contexts of pairs of other data; of ``"…"`` in definitions."""
    return f"{FOREIGN} {data}"


def is_foreign(context: str | None) -> bool:
    return context is not None and context.startswith(foreign_name(""))


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs of a context as the predictor takes them: features and items of sources and targets, actions of all factors."""

    features: Float[Tensor, "k 2 F"]
    action: Float[Tensor, "k A"]
    items: Int[Tensor, "k 2"]

    @classmethod
    def of(cls, embedder: Embedder, pairs: PairBatch, features: Float[Tensor, "k 2 F"] | None = None) -> EncodedPairs:
        """Features are computed where they are not given."""
        if features is None:
            features = embedder.encode_pairs(pairs)
        return cls(features, pairs.action, torch.stack([pairs.items, pairs.items], dim=1))

    def __len__(self) -> int:
        return len(self.action)

    def __getitem__(self, chosen: Int[Tensor, " n"] | slice) -> EncodedPairs:
        return EncodedPairs(self.features[chosen], self.action[chosen], self.items[chosen])

    def context(self, embedder: Embedder, environment: str | None, *, beyond_block: bool = False) -> Context:
        """The pairs encoded once into a context of a model that takes pairs."""
        model = embedder.model
        assert isinstance(model, ContextSSL)
        with embedder.autocast():
            return model.context_from_features(self.features, self.action, environment, beyond_block=beyond_block)

    def followed_by(self, other: EncodedPairs) -> EncodedPairs:
        """One context of both."""
        return EncodedPairs(*(torch.cat([getattr(part, field.name) for part in (self, other)]) for field in fields(self)))


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
    """The same views and the same actions, each action moved to another pair. Actions that are equal (categories) may still fit."""
    return replace(pairs, action=pairs.action[cycle(len(pairs), generator)])


def dealt_anew(pairs: EncodedPairs, generator: torch.Generator) -> EncodedPairs:
    """The same views, each target moved to another pair."""
    moved = cycle(len(pairs), generator)
    features, items = (torch.stack([ends[:, 0], ends[moved, 1]], dim=1) for ends in (pairs.features, pairs.items))
    return replace(pairs, features=features, items=items)


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


def blank_images(pairs: EncodedPairs, blank: Float[Tensor, " F"]) -> EncodedPairs:
    """The same actions between views of nothing: every feature is that of a black image (of a row, that all of it is unknown or average)."""
    return replace(pairs, features=blank.expand_as(pairs.features))


def zero_pair(pairs: EncodedPairs) -> EncodedPairs:
    """One pair of no view at all: features of zeros, and the same number all over its action."""
    one = pairs[:1]
    return replace(one, features=torch.zeros_like(one.features), action=torch.full_like(one.action, CONSTANT))


@dataclass(frozen=True)
class Disturbed:
    """A context: how it was disturbed, its pairs, and the environment whose factors are active in it."""

    name: str
    pairs: EncodedPairs
    environment: str


@dataclass(frozen=True)
class Draw:
    """What the contexts of one draw are made of.

    Args:
        own: the pairs as drawn, as many as the block holds next to a query.
        spare: at least as many further pairs of the training split, of two items or more if it has them.
        unseen: as many pairs of items of unseen classes.
        blank: what the encoder makes of a view that shows nothing.
        others: where pairs are examples, the contexts of other environments, by their names.
        foreign: as many pairs of other data, by their names.
    """

    index: int
    own: EncodedPairs
    spare: EncodedPairs
    unseen: EncodedPairs | None
    blank: Float[Tensor, " F"]
    others: Mapping[str, EncodedPairs] = field(default_factory=dict)
    foreign: Mapping[str, EncodedPairs] = field(default_factory=dict)

    def disturbed(self, pairs: int, kinds: Sequence[str], environment: Environment, seed: int) -> Iterator[Disturbed]:
        """Contexts of that many pairs. Left out where impossible: another order of a single pair, wrong actions where no factor is active."""
        own, name = self.own[:pairs], environment.name
        if SHUFFLED in kinds and pairs > 1:
            yield Disturbed(SHUFFLED, shuffled(own, seeded_generator(seed, SHUFFLED, self.index)), name)
        if RANDOM_ACTIONS in kinds and pairs > 1 and environment.factors:
            yield Disturbed(RANDOM_ACTIONS, random_actions(own, seeded_generator(seed, RANDOM_ACTIONS, self.index)), name)
        if DEALT_ANEW in kinds and pairs > 1:
            yield Disturbed(DEALT_ANEW, dealt_anew(own, seeded_generator(seed, DEALT_ANEW, self.index)), name)
        if WRONG_PAIRS in kinds:
            for share in WRONG_SHARES:
                generator = seeded_generator(seed, WRONG_PAIRS, self.index)
                yield Disturbed(wrong_pairs_name(share), wrong_pairs(own, self.spare, share, generator), name)
        if CONTRADICTING in kinds and pairs > 1:
            # Every second pair is out of the other context.
            places = torch.arange(pairs)
            places[1::2] += pairs
            for other, theirs in self.others.items():
                yield Disturbed(f"{CONTRADICTING} {other}", own.followed_by(theirs[:pairs])[places], name)
        if ONE_IMAGE in kinds:
            # The first view in every place, with the actions as they are.
            yield Disturbed(ONE_IMAGE, replace(own, features=own.features[:1, :1].expand_as(own.features)), name)
        if BLANK_IMAGES in kinds:
            yield Disturbed(BLANK_IMAGES, blank_images(own, self.blank), name)
        if NONE_ACTIVE in kinds and environment.factors:
            yield Disturbed(NONE_ACTIVE, own, NO_FACTOR)
        if ALL_ACTIVE in kinds:
            yield Disturbed(ALL_ACTIVE, own, "all")
        if SCALED_ACTIONS in kinds and environment.factors:
            for scale in SCALES:
                yield Disturbed(f"{SCALED_ACTIONS} {scale:g}", replace(own, action=scale * own.action), name)
        if UNSEEN_CLASSES in kinds and self.unseen is not None:
            yield Disturbed(UNSEEN_CLASSES, self.unseen[:pairs], name)
        if FOREIGN in kinds:
            for data, theirs in self.foreign.items():
                yield Disturbed(foreign_name(data), theirs[:pairs], name)

    def of_one_pair(self, kinds: Sequence[str], environment: Environment) -> Iterator[Disturbed]:
        """Contexts of two tokens."""
        if ONE_PAIR in kinds:
            yield Disturbed(ONE_PAIR, self.own[:1], environment.name)
        # It is the same in every draw.
        if ZERO_PAIR in kinds and self.index == 0:
            yield Disturbed(ZERO_PAIR, zero_pair(self.own), environment.name)

    def beyond_block(self, environment: Environment) -> Disturbed:
        """Twice as many pairs as the block holds."""
        return Disturbed(BEYOND_BLOCK, self.own.followed_by(self.spare[: len(self.own)]), environment.name)
