"""What the page asks: the nearest views, the map and the description after examples, from features that are computed once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.errors import InputError
from contextssl.explorer.describing import Describer
from contextssl.explorer.flat_map import FlatMap
from contextssl.explorer.kinds import MOST_PAIRS, Kind
from contextssl.explorer.scenes import Scenes
from contextssl.explorer.shown_views import ShownViews
from contextssl.explorer.uploads import Uploads
from contextssl.models.by_examples import ByExamples
from contextssl.models.description import Description
from contextssl.models.neighbours import nearest

NEIGHBOURS = 8
# A view by its name on the page: shown view 12, first or second view of ready example 3, an image that was given.
NAME = re.compile(r"v(?P<view>\d{1,6})|e(?P<example>\d{1,6})(?P<end>[ab])|u(?P<token>[\w-]{1,64})", re.ASCII)


@dataclass(frozen=True, eq=False)
class Query:
    """The view whose neighbours are asked for: its features (F,), and its place among the shown views where it is one of them."""

    features: Float[Tensor, " F"]
    row: int | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """After k examples, for n shown views.

    Args:
        without, after: the rows of the nearest views without and after the examples, with their cosines.
        map: the places of all views, (n, 2), within the unit circle.
        place: the query's, (2,); it may lie beyond where it is none of them.
    """

    pairs: int
    without: list[tuple[int, float]]
    after: list[tuple[int, float]]
    map: Float[Tensor, "n 2"]
    place: Float[Tensor, " 2"]


class Explorer:
    """A model of examples beside the views that it is tried on. It holds nothing of a visitor but the images that they give.

    Args:
        kinds: examples that are ready to be chosen.
        scenes: renders new views of the shown objects, where they are rendered.
        about: what the page says of the model.
    """

    def __init__(
        self, model: ByExamples, shown: ShownViews, kinds: Sequence[Kind], scenes: Scenes | None = None, about: str = "", name: str = ""
    ) -> None:
        self.model, self.shown, self.kinds, self.scenes, self.about, self.name = model, shown, kinds, scenes, about, name
        self.most_pairs = most_pairs(model)
        self.features = model.encode(shown.images)
        width = self.features.shape[1]
        self.examples = torch.cat([self.features.new_zeros(0, 2, width), *(model.encode_pairs(*kind.images.unbind(1)) for kind in kinds)])
        self.plain = F.normalize(model.embed_features(self.features), dim=-1)
        self.plain_map = FlatMap.of(self.plain)
        self.describer = None if model.carried is None else Describer(model, model.carried)
        self.uploads = Uploads(model.view_shape or shown.images.shape[1:], model.encode)
        # One question at a time: they would only slow each other down. Descriptions, which take longer, among themselves.
        self._answering, self._describing = threading.Lock(), threading.Lock()

    def features_of(self, name: str) -> Float[Tensor, " F"]:
        """Of a view by its name. Raises InputError for one that is not there."""
        found = NAME.fullmatch(name)
        if found is not None and found["token"] is not None:
            return self.uploads.get(found["token"]).features
        if found is not None and found["view"] is not None and int(found["view"]) < len(self.features):
            return self.features[int(found["view"])]
        if found is not None and found["example"] is not None and int(found["example"]) < len(self.examples):
            return self.examples[int(found["example"]), "ab".index(found["end"])]
        raise InputError(f"there is no view {name[:40]!r}: reload the page")

    def pairs_of(self, names: Sequence[tuple[str, str]]) -> Float[Tensor, "k 2 F"]:
        """Features of examples. Raises InputError for too many of them, or a view that is not there."""
        if len(names) > self.most_pairs:
            raise InputError(f"{len(names)} examples are more than the {self.most_pairs} that the explorer takes: take some out")
        ends = [self.features_of(name) for pair in names for name in pair]
        return torch.stack(ends).unflatten(0, (-1, 2)) if ends else self.features.new_zeros(0, 2, self.features.shape[1])

    def query(self, name: str) -> Query:
        """A view as the query. Raises InputError for one that is not there."""
        return Query(self.features_of(name), int(name[1:]) if name.startswith("v") else None)

    def answer(self, pairs: Float[Tensor, "k 2 F"], query: Query) -> Answer:
        """What the page shows after these examples."""
        with self._answering:
            context = self.model.context_from_features(pairs) if len(pairs) else None
            of_query = query.features[None]
            before = F.normalize(self.model.embed_features(of_query), dim=-1)
            if context is None:
                every, asked, flat = self.plain, before, self.plain_map
            else:
                both = F.normalize(self.model.embed_features(torch.cat([self.features, of_query]), context), dim=-1)
                every, asked = both[:-1], both[-1:]
                flat = FlatMap.of(every)
        return Answer(
            pairs=len(pairs),
            without=near(self.plain, before, query.row),
            after=near(every, asked, query.row),
            map=flat.places(every).cpu(),
            place=flat.places(asked)[0].cpu(),
        )

    def left(self, pairs: Float[Tensor, "k 2 F"]) -> Mapping[str, float]:
        """By factor what examples leave of its effect: what a description begins with. Raises InputError where the model carries no views."""
        describer = self._describer(pairs)
        with self._answering:
            return describer.left(pairs)

    def describe(self, pairs: Float[Tensor, "k 2 F"], given_up: Callable[[], bool] = lambda: False) -> Description:
        """Raises InputError where the model carries no views; GivenUp as :meth:`Describer.describe`."""
        describer = self._describer(pairs)
        with self._describing:
            return describer.describe(pairs, given_up)

    def _describer(self, pairs: Float[Tensor, "k 2 F"]) -> Describer:
        if self.describer is None:
            raise InputError("this model carries no views to describe examples by")
        if not len(pairs):
            raise InputError("there are no examples to describe")
        return self.describer


def most_pairs(model: ByExamples) -> int:
    """How many examples a context of the explorer may hold."""
    return min(MOST_PAIRS, model.longest_context // 2)


def near(every: Float[Tensor, "n D"], asked: Float[Tensor, "1 D"], row: int | None) -> list[tuple[int, float]]:
    """The rows nearest to a query with their cosines, but its own."""
    rows, cosines = nearest(asked, every, min(NEIGHBOURS + 1, len(every)))
    found = zip(rows[0].tolist(), cosines[0].tolist(), strict=True)
    return [(each, cosine) for each, cosine in found if each != row][:NEIGHBOURS]
