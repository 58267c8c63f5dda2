"""People as rows of a table, and their representations, for the fairness protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.tables.rows import RowViews
from contextssl.errors import SettingsError
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.noise import with_noise
from contextssl.evaluation.view_sets import ViewSet
from contextssl.randomness import seeded_generator


@dataclass
class People:
    """Rows as in the table, encoded, to train and to test on.

    Args:
        bank: the evaluated rows, and their corruption.
        held_out: True at training rows that choices are made on.
        train_targets, test_targets: by name the classes.
        persons: the person of each evaluated row.
        flipped: by factor the evaluated rows with another value of that factor.
    """

    bank: RowViews
    train: Float[Tensor, "n W"]
    test: Float[Tensor, "m W"]
    held_out: Bool[Tensor, " n"]
    train_targets: Mapping[str, Int[Tensor, " n"]]
    test_targets: Mapping[str, Int[Tensor, " m"]]
    split: str
    seed: int
    persons: Int[Tensor, " m"]
    flipped: dict[str, Float[Tensor, "m W"]] = field(default_factory=dict)

    @classmethod
    def of(cls, train: ViewSet, test: ViewSet, seed: int) -> People:
        """The rows of two view sets, each item once; SettingsError where they are not rows of a table."""
        bank, learnt, plain, learnt_plain = test.source, train.source, test.plain, train.plain
        if not isinstance(bank, RowViews) or not isinstance(learnt, RowViews) or plain is None or learnt_plain is None:
            raise SettingsError("fairness is for rows of a table (dataset=adult, mimic3 or table); these views are images")

        def targets(rows: RowViews, items: Tensor) -> dict[str, Tensor]:
            return {name: torch.from_numpy(labels.values)[items] for name, labels in rows.targets.items()}

        people = cls(
            bank=bank,
            train=learnt.rows[learnt_plain.items],
            test=bank.rows[plain.items],
            held_out=learnt_plain.held_out(seed),
            train_targets=targets(learnt, learnt_plain.items),
            test_targets=targets(bank, plain.items),
            split=test.split,
            seed=seed,
            persons=plain.clusters,
        )
        for factor in bank.row_factors:
            generator = seeded_generator(seed, "flipped", test.split, factor.name)
            others = bank.corruption.other_value(people.test, factor, generator)
            people.flipped[factor.name] = bank.corruption.with_value(people.test, factor, others, generator)
        return people

    def mapped(self, change: Callable[[Tensor], Tensor], **about: object) -> Represented:
        """What the change makes of the rows."""
        return Represented(self.train, self.test, self.flipped, about).mapped(change)


@dataclass
class Represented:
    """One representation of all people.

    Args:
        flipped: by factor, of the evaluated rows with that factor's value replaced.
        about: fields of its result rows.
        point: the context, for embeddings.
        deviation: of noise in each dimension.
    """

    train: Float[Tensor, "n d"]
    test: Float[Tensor, "m d"]
    flipped: Mapping[str, Float[Tensor, "m d"]]
    about: Mapping[str, object]
    point: ContextPoint | None = None
    deviation: float = 0.0

    def mapped(self, change: Callable[[Tensor], Tensor], **changes: Any) -> Represented:
        """The same people after a change of their rows, and of other fields."""
        flipped = {name: change(rows) for name, rows in self.flipped.items()}
        return replace(self, train=change(self.train), test=change(self.test), flipped=flipped, **changes)

    def seen(self, rows: Float[Tensor, "m d"], seed: int) -> Float[Tensor, "m d"]:
        """Evaluated rows with their noise: the same for a person and their flipped row."""
        return with_noise(rows, self.deviation, seeded_generator(seed, "fairness noise"))
