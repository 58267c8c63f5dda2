"""The contexts of an evaluation: fixed pairs of the training split, several draws of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch

from contextssl.data.pairs import PairBatch, PairSource, draw_pairs, with_decoys
from contextssl.errors import SettingsError
from contextssl.factors import Environment
from contextssl.randomness import seeded_generator

# The context length, in tokens, that sentences and tables report where it was evaluated.
REPORTED_LENGTH = 14


def pairs_in(length: int) -> int:
    """Pairs of a context, by which people read it. Its length counts two tokens per pair, as published, whatever the model makes of a pair."""
    return length // 2


def pairs_words(length: int) -> str:
    """``"7 pairs"``, ``"1 pair"``."""
    return f"{pairs_in(length)} pair{'' if pairs_in(length) == 1 else 's'}"


@dataclass(frozen=True)
class ContextPoint:
    """One condition of embeddings.

    Args:
        environment: its name; None where no context is given.
        length: of the context in tokens, two per pair; 0: no context, or an environment that is given by name.
        draw: which of the drawn contexts.
    """

    environment: str | None
    length: int
    draw: int

    @property
    def name(self) -> str:
        """``rotation-14-0``; ``none-given`` without a context."""
        return "none-given" if self.environment is None else f"{self.environment}-{self.length}-{self.draw}"


def draw_contexts(
    train: PairSource, pairs: int, count: int, seed: int, environment: str | Environment | None = None, kind: str = "actions"
) -> list[PairBatch]:
    """``count`` contexts of ``pairs`` pairs, every factor active. Context i depends on the seed and i alone.

    The items of a context are different ones as long as there are enough, and the same in every environment.

    Args:
        environment: of the pairs, where the kind is ``"examples"`` (views share the active factors and differ in the others) or ``"evidence"``
            (actions are decoys in the inactive blocks).
    """
    active = None if environment is None else train.factors.mask(environment).expand(pairs, -1)
    held = active if kind == "examples" else None
    contexts = []
    for index in range(count):
        generator = seeded_generator(seed, "context", index)
        rounds = -(-pairs // train.num_items)
        items = torch.cat([torch.randperm(train.num_items, generator=generator) for _ in range(rounds)])[:pairs]
        batch = train.complete(draw_pairs(train, items, generator, held=held))
        if kind == "evidence" and active is not None:
            batch = replace(with_decoys(train, batch, seeded_generator(seed, "decoys", index), pairs), active=active)
            batch = replace(batch, action=batch.active_action, decoy=None)
        contexts.append(batch)
    return contexts


@dataclass(frozen=True)
class Contexts:
    """The drawn contexts, each as long as the longest: shared by all environments, which say which blocks of the actions count; or of each, by its
    name, where contexts are examples or evidence.
    """

    shared: Sequence[PairBatch]
    by_environment: Callable[[str], Sequence[PairBatch]] | None = None

    @classmethod
    def draw(cls, train: PairSource, pairs: int, count: int, seed: int, kind: str = "actions") -> Contexts:
        """Arguments as of :func:`draw_contexts`; those of an environment are drawn when they are first asked for."""
        shared = draw_contexts(train, pairs, count, seed)
        return cls(shared, None if kind == "actions" else cache(lambda name: draw_contexts(train, pairs, count, seed, name, kind)))

    def __len__(self) -> int:
        return len(self.shared)

    @property
    def pairs(self) -> int:
        """Of each context; 0 where none is drawn."""
        return len(self.shared[0]) if self.shared else 0

    def of(self, environment: str | None) -> Sequence[PairBatch]:
        """The draws of one environment; None: those that all share."""
        return self.shared if self.by_environment is None or environment is None else self.by_environment(environment)


def context_points(environments: Sequence[Environment], lengths: Sequence[int], draws: int, *, by_name: bool = False) -> list[ContextPoint]:
    """Every environment × length × draw; length 0 once, since without a context there is no environment and nothing to draw.

    For a model that takes the environment's name, every environment once, at length 0.
    """
    if by_name:
        return [ContextPoint(environment.name, 0, 0) for environment in environments]
    points = [ContextPoint(None, 0, 0)] if 0 in lengths else []
    longer = sorted({length for length in lengths if length > 0})
    return points + [ContextPoint(e.name, length, draw) for e in environments for length in longer for draw in range(draws)]


def check_lengths(lengths: Sequence[int], longest: int) -> None:
    """Raise SettingsError for a length that is odd, negative, or longer than the longest that the model takes; and for no length at all."""
    if not lengths:
        raise SettingsError("eval_ctxt names no context length: give at least one, such as eval_ctxt=[0,14]")
    for length in lengths:
        if length < 0 or length % 2:
            raise SettingsError(f"eval_ctxt holds {length}: context lengths count tokens, two per pair, so they are even and 0 or more")
        if length > longest:
            raise SettingsError(
                f"eval_ctxt holds {length}, but this model's block of {longest + 2} tokens takes contexts of at most {longest} "
                "(a query needs the rest)"
                if longest
                else f"eval_ctxt holds {length}, but this model takes no context: leave eval_ctxt out"
            )
