"""Entries of a comparison: methods over seeds, the means of their runs' numbers, and the conditions that they are evaluated in."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from contextssl.factors import NO_FACTOR
from contextssl.records.results import OF_TRAINING, ResultRow
from contextssl.report.collect import Run
from contextssl.report.words import context_name

# What the rows of two seeds may differ in, and be the same number.
UNLIKE: dict[str, Any] = dict.fromkeys(("std", "floor", "count", "weights", "over", "item_std", "items")) | {"mean": 0.0, "n": 1}
# Protocols of embeddings and features as the model gives them.
PROBED = ("equivariance", "probe", "geometry")


@dataclass(frozen=True)
class Entry:
    """One method, conditioned or not, over seeds.

    Args:
        name: as on the command line, such as ``"sie:rotation"``.
        group: what it was trained for: ``"invariance"``, an environment such as ``"rotation+color"``, ``"context"``, ``"ceiling"``, ``"floor"``.
        runs: one per seed.
        published: what the paper calls the method, where it has it.
    """

    name: str
    group: str
    runs: tuple[Run, ...]
    published: str | None = None

    @property
    def comparable(self) -> bool:
        """Whether the paper's numbers are of the same data, image size and encoder."""
        return all(run.in_papers_setting for run in self.runs)


@dataclass(frozen=True)
class Averaged:
    """An entry with the means of its runs' numbers, as the rows of one run.

    Args:
        run: each row a mean over seeds, ``std`` the deviation over them (n - 1; None for one seed), ``n`` of how many that have the number,
            ``item_std`` the mean of theirs: seeds are evaluated on the same items, whose choice does not average out.
    """

    entry: Entry
    run: Run

    @classmethod
    def of(cls, entry: Entry, split: str) -> Averaged:
        rows = tuple(over_seeds(entry.runs, split))
        return cls(entry, replace(entry.runs[0], name=entry.name, rows=rows, training={}, split=split))

    @property
    def seeds(self) -> int:
        return len(self.entry.runs)

    @cached_property
    def factors(self) -> list[str]:
        """Those that were probed; the run's own list also holds what further protocols derive from them."""
        return replace(self.run, rows=tuple(row for row in self.run.rows if row.protocol in (*PROBED, "erasure"))).factors

    @cached_property
    def takes_contexts(self) -> bool:
        return any(row.representation == "embedding" and row.length for row in self.run.rows)

    @cached_property
    def takes_environment_name(self) -> bool:
        """Whether its embeddings depend on the name of an environment, without the pairs of a context."""
        embedded = (row for row in self.run.rows if row.protocol in PROBED and row.representation == "embedding")
        return any(row.environment and not row.length for row in embedded)


def over_seeds(runs: Sequence[Run], split: str) -> list[ResultRow]:
    """Rows of one split, evaluated after training, by their means over runs. A number that is undefined in a run is left out there."""
    found: dict[ResultRow, list[ResultRow]] = defaultdict(list)
    for run in runs:
        own: dict[ResultRow, ResultRow] = {}
        for row in run.rows:
            shown = row.split == split or (row.protocol == "retrieval" and run.retrieval_as_published)
            if shown and row.protocol not in OF_TRAINING:
                own.setdefault(replace(row, **UNLIKE), row)
        for key, row in own.items():
            found[key].append(row)
    rows = []
    for key, same in found.items():
        values = [row.mean for row in same if math.isfinite(row.mean)]
        floors = [row.floor for row in same if row.floor is not None and math.isfinite(row.floor)]
        errors = [row.item_std for row in same if row.item_std is not None]
        rows.append(
            replace(
                key,
                mean=statistics.mean(values) if values else math.nan,
                std=statistics.stdev(values) if len(values) > 1 else None,
                n=len(values),
                floor=statistics.mean(floors) if floors else None,
                count=same[0].count,
                over="seeds" if len(runs) > 1 else same[0].over,
                item_std=statistics.mean(errors) if len(errors) == len(same) else None,
                items=same[0].items,
            )
        )
    return rows


@dataclass(frozen=True)
class Condition:
    """An entry in a condition: a line of a table.

    Args:
        words: its cells of words: the entry's name, the representation, and more.
        fields: of its rows.
        protocol: in the place of a column's, where the line's numbers are another protocol's.
    """

    each: Averaged
    group: str
    words: tuple[str, ...]
    fields: Mapping[str, Any]
    protocol: str | None = None

    @property
    def environment(self) -> str | None:
        return self.fields.get("environment")

    @property
    def length(self) -> int:
        return self.fields.get("length") or 0


def conditions(each: Averaged) -> list[Condition]:
    """Features, embeddings with no context, and each environment at its longest length, or given by name; those that have rows."""

    def line(words: str, representation: str, environment: str | None, length: int | None, group: str = each.entry.group) -> Condition:
        return Condition(each, group, (f"{each.entry.name}, {words}",), placed(representation, environment, length))

    made = []
    rows = [row for row in each.run.rows if row.protocol in PROBED]
    # A method without a predictor embeds views as their features: one line, that of embeddings, which are probed under noise too.
    same = not each.takes_contexts and not each.takes_environment_name and _numbers(rows, "feature") == _numbers(rows, "embedding")
    if not same and any(row.representation == "feature" for row in rows):
        made.append(line("features", "feature", None, None))
    embedded = [row for row in rows if row.representation == "embedding"]
    if any(row.environment is None and row.length == 0 for row in embedded):
        made.append(line("no context" if each.takes_contexts else "features" if same else "embedding", "embedding", None, 0))
    for environment in dict.fromkeys(row.environment for row in embedded if row.environment is not None):
        length = max(row.length or 0 for row in embedded if row.environment == environment)
        # The group of an in-context model in a context is that of the baselines trained for its environment.
        group = each.entry.group if each.entry.group != "context" else "invariance" if environment == NO_FACTOR else environment
        made.append(line(context_name(environment, length), "embedding", environment, length, group))
    return made


def _numbers(rows: Sequence[ResultRow], representation: str) -> dict[tuple[object, ...], float]:
    """The numbers without noise and without a context."""
    return {
        (row.protocol, row.metric, row.factor, row.head, row.target): row.mean
        for row in rows
        if row.representation == representation and not row.bottleneck and not row.length
    }


def placed(representation: str | None, environment: str | None, length: int | None) -> dict[str, Any]:
    """Fields of rows."""
    return {"representation": representation, "environment": environment, "length": length}


def wanted(group: str, factor: str, factors: Sequence[str]) -> int:
    """Whether a factor should be high (1) or low (-1) in a group; 0 where neither is wanted."""
    if group == "invariance":
        return -1
    named = set(group.split("+"))
    return 0 if not named & set(factors) else 1 if factor in named else -1


def in_order(groups: Sequence[str], factors: Sequence[str]) -> list[str]:
    """Invariance, the factors, several of them, then the rest as they come."""
    order = ["invariance", *factors, None, "context", "ceiling", "floor"]
    return sorted(dict.fromkeys(groups), key=lambda group: order.index(group if group in order else None))
