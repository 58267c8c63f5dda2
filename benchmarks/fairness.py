"""Fairness over several seeds, as the tables of docs/tables.md: python benchmarks/fairness.py RUN [RUN …] [split=test]

Reads the ``results.json`` of runs that ``contextssl evaluate fairness`` has evaluated. Each cell is a mean over the runs ± the larger of
the deviation over them (n - 1) and, where the runs have it, the error by the choice of people; a run's own number is a mean over contexts.
The noise share is each run's own, chosen on its training rows.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation_words
from contextssl.records.results import ResultRow
from contextssl.report.collect import Run, read_run
from contextssl.report.fairness_table import Asked, Condition, asked
from contextssl.report.words import factor_name, number

FIRST = (
    "| read from | read by logistic / MLP / boosting | {target} | {target}, balanced | {target}, AUROC | eq. odds | eq. opportunity "
    "| dem. parity | flips % | a flip moves |"
)


def main(folders: list[str], split: str) -> None:
    runs = [read_run(Path(folder), split=split) for folder in folders]
    print(f"± is {deviation_words((row for run in runs for row in run.find(protocol='fairness')), 'seeds')}.")
    for index, first in enumerate(asked(runs[:1])):
        each = [list(asked([run]))[index] for run in runs]
        print(f"\n{factor_name(first.factor)} and {first.target}, {split} split, {len(runs)} seeds\n")
        print(FIRST.format(target=first.target))
        print("|---" * 10 + "|")
        for place, condition in enumerate(first.conditions()):
            same = [one.conditions()[place] for one in each]
            shares = sorted({one.noise for one in same})
            name = condition.name if len(shares) == 1 else f"{condition.name.split(', noise')[0]}, noise {shares[0]:g} to {shares[-1]:g}"
            print(f"| {name} | " + " | ".join(_cells(each, same)) + " |")
    shares_of(runs)


def _cells(each: list[Asked], conditions: list[Condition]) -> list[str]:
    def over(find: Callable[[Asked, Condition], ResultRow | None], scale: float = 1.0, digits: int = 3) -> str:
        found = [find(one, condition) for one, condition in zip(each, conditions, strict=True)]
        values = [scale * row.mean for row in found if row is not None]
        if not values:
            return ""
        errors = [scale * row.item_std for row in found if row is not None and row.item_std is not None]
        known = [statistics.stdev(values)] if len(values) > 1 else []
        known += [statistics.mean(errors)] if len(errors) == len(values) else []
        return number(statistics.mean(values), digits) + (f" ± {number(max(known), digits)}" if known else "")

    def by(head: str) -> Callable[[Asked, Condition], ResultRow | None]:
        return lambda one, condition: one.adversary(condition, head)

    readers = [over(by(head)) for head in ("logistic", "mlp", "boosting")]
    return [
        " / ".join(reader for reader in readers if reader),
        over(lambda one, condition: one.task(condition)),
        over(lambda one, condition: one.task(condition, "balanced_accuracy")),
        over(lambda one, condition: one.task(condition, "auroc")),
        over(lambda one, condition: one.gap(condition, "equalized_odds_difference")),
        over(lambda one, condition: one.gap(condition, "equal_opportunity_difference")),
        over(lambda one, condition: one.gap(condition, "demographic_parity_difference")),
        over(lambda one, condition: one.gap(condition, "counterfactual_flips"), 100, 2),
        over(lambda one, condition: one.row(condition, "counterfactual_distance", factor=one.factor, target=None, head=None)),
    ]


def shares_of(runs: list[Run]) -> None:
    """The variance share of each factor by context, where geometry was evaluated."""
    if not all(run.has("geometry") for run in runs):
        return
    print("\n| context, pairs | " + " | ".join(f"variance share: {factor_name(factor)}" for factor in runs[0].factors) + " |")
    print("|---" * (1 + len(runs[0].factors)) + "|")
    conditions = dict.fromkeys(
        (row.environment, row.length) for row in runs[0].find(protocol="geometry", metric="variance_share", representation="embedding")
    )
    for environment, length in conditions:
        cells = []
        for factor in runs[0].factors:
            found = [
                run.find(
                    protocol="geometry",
                    metric="variance_share",
                    representation="embedding",
                    environment=environment,
                    length=length,
                    factor=factor,
                )
                for run in runs
            ]
            values = [rows[0].mean for rows in found if rows]
            deviation = f" ± {number(statistics.stdev(values), 4)}" if len(values) > 1 else ""
            cells.append(f"{number(statistics.mean(values), 4)}{deviation}")
        print(f"| {environment or 'none given'}, {pairs_in(length or 0)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = [word.removeprefix("split=") for word in words if word.startswith("split=")]
    if len(words) == len(chosen):
        raise SystemExit(__doc__)
    main([word for word in words if not word.startswith("split=")], chosen[0] if chosen else "test")
