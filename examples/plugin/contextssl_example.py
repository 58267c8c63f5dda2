"""A method, a data set, an augmentation, a protocol. Installed, each has a name in contextssl; from a folder, contextssl_example:NAME."""

from dataclasses import dataclass

import numpy as np
import torch

from contextssl import Data, Factor, FactorSpace, ViewPairs, Views
from contextssl.config.setting import setting
from contextssl.data.augmentations import Augmentation
from contextssl.evaluation.scores import Scores
from contextssl.method import Method
from contextssl.metric import Metric
from contextssl.models.baselines.term import Term
from contextssl.protocol import Protocol


@dataclass
class BarlowSettings:
    """Barlow Twins"""

    redundancy_weight: float = setting(0.005, "weight of the correlations between different numbers", least=0)


class RedundancyReduction(Term):
    def __init__(self, feature_width: int, width: int, weight: float) -> None:
        super().__init__()
        self.projector, self.embedding_width, self.weight = torch.nn.Linear(feature_width, width), width, weight

    def forward(self, seen):
        z = self.projector(seen.features)  # (pairs, 2, D)
        one, other = ((z - z.mean(0)) / (z.std(0) + 1e-6)).unbind(1)
        wrong = (one.T @ other / len(one) - torch.eye(z.shape[-1], device=z.device)).square()
        return {"redundancy": wrong.diagonal().sum() + self.weight * (wrong.sum() - wrong.diagonal().sum())}

    def embed(self, features):
        return self.projector(features)


BARLOW = Method("barlow-twins", "invariance", title="Barlow Twins", source="Zbontar et al., 2021", settings=BarlowSettings, reads=("projection_dim",),
    terms=lambda p: [RedundancyReduction(p.feature_width, p.settings.projection_dim, p.own.redundancy_weight)])  # fmt: skip


FACTORS = FactorSpace((Factor("angle", 1), Factor("frequency", 1)))


def gratings() -> Data:
    def drawn(items: int, seed: int) -> Views:
        latents = np.random.default_rng(seed).uniform(-1, 1, (items, 8, 2)).astype(np.float32)  # angle, frequency
        x, y = np.meshgrid(np.arange(16), np.arange(16))
        angle, frequency = np.pi / 4 * latents[..., :1, None], 0.6 + 0.3 * latents[..., 1:, None]
        waves = 127.5 * (1 + np.sin(frequency * (x * np.cos(angle) + y * np.sin(angle))))
        images = np.repeat(waves[..., None], 3, -1).astype(np.uint8)
        return Views(images, latents, np.arange(items) % 2, FACTORS, ("even", "odd"), list(map(str, range(items))))

    return Data(ViewPairs(drawn(64, 0)), ViewPairs(drawn(16, 1)), (3, 16, 16), (0.5, 0.5, 0.5), (0.35, 0.35, 0.35))


@dataclass(frozen=True)
class Solarize(Augmentation):
    name, parameters, identity = "solarize", ("threshold",), (2.0,)

    def draw(self, count, generator):
        return 0.5 + 0.5 * torch.rand(count, 1, generator=generator)

    def apply(self, images, parameters):
        return torch.where(images > parameters[:, :, None, None], 1 - images, images)

    def words(self, parameters):
        return f"solarized above {float(parameters[0]):.1f}"


class Spread(Protocol):
    name, intro = "spread", "How far embeddings lie from their mean, in every context."
    metrics = (
        Metric("spread", definition="mean squared distance of unit embeddings from their mean; 1 for directions all over the sphere"),
    )

    def rows(self, plan):
        scores = Scores("spread", plan.test.split, plan.test.factors)
        for point in plan.points:
            z = plan.embedder.unit(plan.test, point)
            scores.add("spread", float((z - z.mean(0)).square().sum(1).mean()), point=point, count=len(z))
        return scores.rows()
