"""Methods as a user writes them, outside the package."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.config.setting import setting
from contextssl.method import METHODS, Method, Parts
from contextssl.models.baselines.term import Seen, Term


@dataclass
class PullSettings:
    """Pull"""

    pull_weight: float = setting(1.0, "of the squared distance between the features of a pair", above=0)


class Pulled(Term):
    """Features of both views at one place, of unit mean size."""

    def __init__(self, feature_width: int, width: int, weight: float) -> None:
        super().__init__()
        self.embedding_width, self.weight = width, weight
        self.head = nn.Linear(feature_width, width)

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        source, target = self.head(seen.features).unbind(1)
        return {"pull": self.weight * (source - target).square().mean(), "size": (source.square().mean() - 1).square()}

    def embed(self, features: Tensor) -> Tensor:
        return torch.as_tensor(self.head(features))


def terms(parts: Parts) -> list[Term]:
    return [Pulled(parts.feature_width, parts.settings.projection_dim, parts.own.pull_weight if parts.own else 1.0)]


Pull = Method("pull", "invariance", terms, reads=("projection_dim",), settings=PullSettings)
Follow = Method("follow", "equivariance", terms, title="Follows", reads=("projection_dim",))
InContext = dataclasses.replace(METHODS.find("contextssl"), title="In my context", published=(), published_retrieval={})
NoAim = Method("aimless", "glory", terms)
Misread = Method("misread", "invariance", terms, reads=("projecton_dim",))
