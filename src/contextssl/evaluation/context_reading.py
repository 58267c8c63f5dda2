"""Whether a model reads its contexts, while it is trained: a cheap number that needs no factor value and no probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.evaluation.online import OnlinePairs
from contextssl.factors import Environment
from contextssl.models.view_encoder import ViewEncoder
from contextssl.records.results import ResultRow

# Validation views that are embedded in every context.
VIEWS = 512


def disagreement(x: Float[Tensor, "n D"], y: Float[Tensor, "n D"]) -> float:
    """1 - the linear CKA of two embeddings of the same views: 0 where their similarities are the same, up to 1.

    Source: Kornblith et al., "Similarity of Neural Network Representations Revisited", 2019, equation 5. NaN where one of them does not vary.
    """
    x, y = (F.normalize(z.detach().double(), dim=-1) for z in (x, y))
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    alike = (x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm())
    return float(1 - alike)


def reading(embedded: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Of each environment the most by which :func:`disagreement` with another environment's contexts exceeds that among contexts of one.

    0: contexts of another environment change no more than other pairs of the same one do; near 1: they decide which views are alike. A model that
    nobody has trained is moved by any context, and so has about 0 too.

    Args:
        embedded: by environment, (n, D) of the same views in two contexts that have no pair in common.
    """
    within = {name: disagreement(*both) for name, both in embedded.items()}
    most: dict[str, float] = {}
    for a, b in combinations(embedded, 2):
        across = [disagreement(embedded[a][i], embedded[b][1 - i]) for i in (0, 1)]
        value = sum(across) / 2 - (within[a] + within[b]) / 2
        # What does not vary is not read.
        value = value if value == value else 0.0
        most |= {name: max(value, most.get(name, value)) for name in (a, b)}
    return most


def reading_rows(model: ViewEncoder, pairs: OnlinePairs, environments: Sequence[Environment]) -> list[ResultRow]:
    """Rows of metric ``context_reading``, one an environment, of the two halves of its context; none for a model without contexts, of one
    environment, or of a single pair.
    """
    halves = len(pairs.drawn.context) // 2
    if (model.longest_context == 0 and not model.takes_environment_name) or len(environments) < 2 or halves == 0:
        return []
    features = model.encode(pairs.drawn.queries.target[:VIEWS], progress=False)
    embedded = {}
    for environment in environments:
        shown = pairs.of(environment).context
        of_pairs = model.encode_pairs(shown.source[: 2 * halves], shown.target[: 2 * halves])
        first, second = (
            model.context_from_features(of_pairs[half], shown.action[: 2 * halves][half], environment)
            for half in (slice(halves), slice(halves, None))
        )
        embedded[environment.name] = model.embed_features(features, first), model.embed_features(features, second)
    about: dict[str, Any] = {"length": 2 * halves, "representation": "embedding", "split": "val", "count": len(features)}
    return [
        ResultRow("online", "context_reading", value, environment=name, floor=0.0, **about) for name, value in reading(embedded).items()
    ]
