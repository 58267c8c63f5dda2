"""The kinds of examples that are ready to be chosen: pairs that share the active factors of an environment and differ in the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from contextssl.data.pairs import PairSource
from contextssl.errors import DataError
from contextssl.evaluation.contexts import draw_contexts
from contextssl.factors import Environment, FactorSpace
from contextssl.report.words import active_name, factor_name, listed

# More are hardly looked at.
MOST_PAIRS = 31


@dataclass(frozen=True, eq=False)
class Kind:
    """Ready examples of one environment: what they share, in words; what else differs; the pairs, (k, 2, C, H, W), with both captions of each."""

    name: str
    title: str
    rest: str
    images: UInt8[Tensor, "k 2 C H W"]
    captions: Sequence[tuple[str, str]]


def kinds_of(source: PairSource, environments: Sequence[Environment], pairs: int, seed: int = 0) -> list[Kind]:
    """``pairs`` examples of each environment; none of one in which no factor differs, or that the data have no such pairs of."""
    found = []
    for environment in environments:
        # What listed pairs differ in is not known.
        if source.factors.has_values and set(environment.factors) == set(source.factors.names):
            continue
        try:
            batch = draw_contexts(source, pairs, 1, seed, environment, "examples")[0]
        except DataError:
            continue
        captions = [source.captions(batch, row) for row in range(len(batch))]
        title, rest = said(environment, source.factors)
        found.append(Kind(environment.name, title, rest, torch.stack([batch.source, batch.target], dim=1), captions))
    return found


def said(environment: Environment, factors: FactorSpace) -> tuple[str, str]:
    """What the views of an example share, and what differs: ``"same rotation"``, ``"other colour"``."""
    if not factors.has_values:
        # Of listed pairs only the kind is known.
        return ("any pairs" if not environment.factors else f"pairs of {environment.name}"), ""
    differ = listed([factor_name(name) for name in factors.names if name not in environment.factors])
    return f"same {active_name(environment.name) if environment.factors else 'object'}", f"other {differ}"
