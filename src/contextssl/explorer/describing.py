"""What ``describe()`` says, while the examples keep changing: what depends on the model alone is computed once, and old questions are given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from contextssl.digest import digest_of_bytes
from contextssl.errors import ContextSSLError
from contextssl.models.by_examples import ByExamples
from contextssl.models.carried_views import CarriedViews
from contextssl.models.description import Description, describe, effects_left


class GivenUp(ContextSSLError):
    """Nobody waits for the description any more."""


class Describer:
    """Describes examples by the views that a model carries."""

    def __init__(self, model: ByExamples, carried: CarriedViews) -> None:
        self.model, self.carried = model, carried
        # Without examples, and after those that the model carries, embeddings of the same views come again with every question.
        self._known = {_digest(examples) for examples in carried.examples.values()}
        self._kept: dict[tuple[str, str], Tensor] = {}

    def left(self, examples: Float[Tensor, "k 2 F"]) -> Mapping[str, float]:
        """By factor what the examples leave of its effect."""
        return effects_left(examples, self.carried, lambda queries, after: self._embed(queries, after))

    def describe(self, examples: Float[Tensor, "k 2 F"], given_up: Callable[[], bool] = lambda: False) -> Description:
        """The whole description. Raises GivenUp soon after ``given_up`` has become true."""

        def embed(queries: Float[Tensor, "n F"], after: Float[Tensor, "k 2 F"] | None) -> Float[Tensor, "n D"]:
            if given_up():
                raise GivenUp("the examples have changed")
            return self._embed(queries, after)

        return describe(examples, self.carried, embed)

    def _embed(self, queries: Float[Tensor, "n F"], examples: Float[Tensor, "k 2 F"] | None) -> Float[Tensor, "n D"]:
        after = "" if examples is None else _digest(examples)
        # Of the views that are carried alone: a user's own would fill the memory.
        if examples is not None and (after not in self._known or len(queries) < len(self.carried.items)):
            return self.model.unit_after(queries, examples)
        key = (_digest(queries), after)
        if key not in self._kept:
            self._kept[key] = self.model.unit_after(queries, examples)
        return self._kept[key]


def _digest(features: Tensor) -> str:
    return digest_of_bytes([features.contiguous().cpu().numpy().tobytes()])
