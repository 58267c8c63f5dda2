"""Transformations that training never varied: does the embedding become invariant to one when a context shows examples of it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from contextssl.data.views import ViewBank
from contextssl.errors import SettingsError
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.disturbances import DEALT_ANEW, cycle
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.item_sums import resampled_mean
from contextssl.evaluation.metrics import chance_reciprocal_rank, tied_places, tied_reciprocal_rank
from contextssl.evaluation.pair_erasure import NO_CONTEXT, erase_differences
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.sensitivity import Variations, add_sensitivity
from contextssl.evaluation.transformation_verdict import ERASED, EXAMPLES_OF, PROTOCOL
from contextssl.evaluation.transformations import Transformation, images_of
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.by_examples import ByExamples
from contextssl.models.neighbours import cosine_tolerance
from contextssl.models.predictor import Context
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow

# Queries that are ranked at once.
RANKED = 1024


@dataclass
class Transformed:
    """Images and each of them under every transformation, embedded in any context.

    Args:
        embedder: of a model of examples.
        variations: the images, and by a transformation's title the same changed.
    """

    embedder: Embedder
    variations: Variations
    scores: Scores

    def __post_init__(self) -> None:
        assert isinstance(self.embedder.model, ByExamples)
        self.model = self.embedder.model
        self.features = self.variations.features(self.embedder)
        self.without = {name: self.embedded(features) for name, features in self.features.items()}

    def unit(self, name: str, context: Context | None = None) -> Float[Tensor, "n D"]:
        """Normalised embeddings of the images (``""``), or of those under a transformation."""
        return self.without[name] if context is None else self.embedded(self.features[name], context)

    def embedded(self, features: Float[Tensor, "n F"], context: Context | None = None) -> Float[Tensor, "n D"]:
        return F.normalize(self.embedder.embed_in(features, context), dim=-1).double()

    def context(self, pairs: Float[Tensor, "k 2 F"]) -> Context:
        with self.embedder.autocast():
            return self.model.context_from_features(pairs)

    def add(self, name: str, point: ContextPoint | None, z: Float[Tensor, "n D"], changed: Float[Tensor, "n D"], **about: object) -> None:
        """Sensitivity to a transformation, and the rank of each image's own changed image among those of all."""
        add_sensitivity(self.scores, z, {name: changed - z}, self.variations, point=point, **about)
        ranks = reciprocal_ranks(z, changed)
        floor, draws = chance_reciprocal_rank(len(z)), resampled_mean(ranks, self.variations.items)
        self.scores.add("mrr", float(ranks.mean()), floor=floor, point=point, resampled=draws, factor=name, count=len(z), **about)


def reciprocal_ranks(z: Float[Tensor, "n D"], changed: Float[Tensor, "n D"]) -> Float[Tensor, " n"]:
    """1 / rank by cosine of row r of ``changed`` for row r of ``z``; ties take their mean."""
    queries, candidates = F.normalize(z.float(), dim=-1), F.normalize(changed.float(), dim=-1)
    own, tolerance = torch.arange(len(z)), cosine_tolerance(z.shape[1])
    parts = zip(queries.split(RANKED), own.split(RANKED), strict=True)
    return torch.cat([tied_reciprocal_rank(*tied_places(part @ candidates.T, rows, tolerance)).double() for part, rows in parts])


@torch.no_grad()
def unseen_transformation_rows(
    embedder: Embedder,
    train: ViewBank,
    test: ViewSet,
    transformations: Sequence[Transformation],
    *,
    lengths: Sequence[int],
    contexts: int,
    max_items: int = 1000,
    named: bool = False,
    seed: int = 0,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"unseen-transformations"``: by transformation T, ``sensitivity`` of the embedding to T, and ``mrr`` of an image's T(x) among
    all T(y).

    At length 0 without a context, of features too. At every length: in a context of pairs (y, T(y)) of training images y (``context`` None); of pairs
    of the same images under the next transformation (``"examples of …"``); of the first pairs with every T(y) moved to another pair
    (``"partners dealt anew"``). Representation ``"erased-pairs"``: embeddings without a context, after :func:`erase_differences
    <contextssl.evaluation.pair_erasure.erase_differences>` of the same pairs. Means over draws of contexts.

    Args:
        train: where pairs come from: other images than the evaluated ones, but where these are of the training split.
        test: its items, ``max_items`` at most, spread evenly; 0: all.
        lengths: of contexts in tokens, above 0.
        contexts: draws.
        named: whether the user chose the transformations: one that changes no pixel is then an error, and else left out.
        seed: of the pairs' images and all parameters.

    Raises:
        SettingsError: for a model of other contexts than examples; a transformation that changes no pixel.
    """
    if not isinstance(embedder.model, ByExamples):
        raise SettingsError(
            f"{PROTOCOL} shows pairs of images without actions, and this model was not trained to read such: train one with context=examples"
        )
    items = test.spread_items(max_items)
    if len(items) < 2:
        raise SettingsError(f"{PROTOCOL} compares different images, and there is only one on the {test.split} split: raise items")
    images = images_of(test.source, items, seeded_generator(seed, "transformed views", test.split))
    changed: dict[str, UInt8[Tensor, "n C H W"]] = {}
    for each in transformations:
        made = each.changed(images, seeded_generator(seed, "transformed", test.split, each.name))
        if not torch.equal(made, images):
            changed[each.title] = made
        elif named and not each.trained:
            raise SettingsError(f"{each.name} changes no pixel of these images: leave it out of transformations")
    embedder.progress(f"features of {len(images):,} images under {len(changed)} transformations")
    transformed = Transformed(embedder, Variations(images, items, changed), Scores(PROTOCOL, test.split, test.factors))
    for name in changed:
        first, second = (F.normalize(transformed.features[which], dim=-1).double() for which in ("", name))
        transformed.add(name, None, first, second, representation="feature")
        transformed.add(name, NO_CONTEXT, transformed.unit(""), transformed.unit(name))
    used = [each for each in transformations if each.title in changed]
    for draw in range(contexts if lengths else 0):
        pairs = _pairs(embedder, train, used, max(lengths) // 2, draw, seed)
        for index, each in enumerate(used):
            embedder.progress(f"{PROTOCOL}, {each.name}, draw {draw}")
            # The one before it, and before the first the last: another transformation, for whose images these examples are the wrong ones.
            other = used[index - 1] if len(used) > 1 else None
            _add_contexts(transformed, each, other, pairs[each.title], lengths, draw, seed)
            _add_erased(transformed, each, pairs[each.title], lengths, draw)
    yield from transformed.scores.rows()


def _add_contexts(
    transformed: Transformed,
    shown: Transformation,
    other: Transformation | None,
    pairs: Float[Tensor, "k 2 F"],
    lengths: Sequence[int],
    draw: int,
    seed: int,
) -> None:
    """Rows of a transformation in contexts of its pairs as they are and dealt anew, and of another in the first."""
    moved = cycle(len(pairs), seeded_generator(seed, DEALT_ANEW, draw))
    # Dealt among all of the pairs, so that there are others to deal to at every length.
    context, dealt = transformed.context(pairs), transformed.context(torch.stack([pairs[:, 0], pairs[moved, 1]], dim=1))
    for length in lengths:
        point, few = ContextPoint(None, length, draw), context.prefix(length)
        z = transformed.unit("", few)
        transformed.add(shown.title, point, z, transformed.unit(shown.title, few))
        if other is not None:
            transformed.add(other.title, point, z, transformed.unit(other.title, few), context=f"{EXAMPLES_OF} {shown.name}")
        if len(pairs) > 1:
            few = dealt.prefix(length)
            transformed.add(shown.title, point, transformed.unit("", few), transformed.unit(shown.title, few), context=DEALT_ANEW)


def _add_erased(transformed: Transformed, shown: Transformation, pairs: Float[Tensor, "k 2 F"], lengths: Sequence[int], draw: int) -> None:
    without = transformed.embedded(pairs.flatten(0, 1)).unflatten(0, (-1, 2))
    z, changed = transformed.unit(""), transformed.unit(shown.title)
    for length in lengths:
        erase = erase_differences(without[: length // 2])
        transformed.add(shown.title, ContextPoint(None, length, draw), erase(z), erase(changed), representation=ERASED)


def _pairs(
    embedder: Embedder, train: ViewBank, used: Sequence[Transformation], count: int, draw: int, seed: int
) -> dict[str, Float[Tensor, "k 2 F"]]:
    """Features of pairs of training images, of the same images for every transformation."""
    generator = seeded_generator(seed, "transformed context", draw)
    rounds = -(-count // train.num_items)
    items = torch.cat([torch.randperm(train.num_items, generator=generator) for _ in range(rounds)])[:count]
    images = images_of(train, items, generator)
    source = embedder.encode(images)
    made = {each.title: each.changed(images, seeded_generator(seed, "transformed context", draw, each.name)) for each in used}
    return {title: torch.stack([source, embedder.encode(changed)], dim=1) for title, changed in made.items()}
