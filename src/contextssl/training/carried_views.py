"""The views that a model of examples carries in its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.pairs import PairBatch, PairSource, spread_pairs
from contextssl.errors import DataError
from contextssl.factors import NO_FACTOR, Environment
from contextssl.models.carried_views import CarriedViews
from contextssl.models.view_encoder import ViewEncoder
from contextssl.randomness import seeded_generator

# Pairs of each factor, and examples of each environment.
PAIRS, EXAMPLES = 64, 15


@dataclass(frozen=True)
class DrawnViews:
    """The pairs whose features are carried, of each factor that differ in it alone, and examples of each environment; drawn once, encoded whenever
    the model is saved.
    """

    factors: dict[str, PairBatch]
    examples: dict[str, PairBatch]

    @classmethod
    def draw(cls, source: PairSource, environments: Sequence[Environment], seed: int) -> DrawnViews | None:
        """None where the data have no pairs that differ in one factor alone. Beside the environments there are examples of each factor alone, and of
        none, as far as the data have any: by them it is told in what a pair differs, and whether it is one of different items.
        """

        def some(count: int, purpose: str, environment: Environment) -> PairBatch:
            return spread_pairs(source, count, seeded_generator(seed, "carried", purpose), environment)

        names = source.factors.names
        try:
            factors = {name: some(PAIRS, name, source.factors.environment([each for each in names if each != name])) for name in names}
        except DataError:
            return None
        examples = {each.name: some(EXAMPLES, f"examples {each.name}", each) for each in environments}
        for environment in map(source.factors.environment, (*names, NO_FACTOR)):
            if environment.name not in examples:
                with suppress(DataError):
                    examples[environment.name] = some(EXAMPLES, f"examples {environment.name}", environment)
        return cls(factors, examples)

    def encoded(self, model: ViewEncoder) -> CarriedViews:
        def features(pairs: PairBatch) -> Float[Tensor, "m 2 F"]:
            return model.encode_pairs(pairs.source, pairs.target).float().cpu()

        factors = {name: features(pairs) for name, pairs in self.factors.items()}
        # Items are drawn without repetition as far as there are enough: the next one is another.
        sources = next(iter(factors.values()))[:, 0]
        return CarriedViews(
            factors, torch.stack([sources, sources.roll(1, 0)], dim=1), {name: features(pairs) for name, pairs in self.examples.items()}
        )
