"""What contexts do by their number of pairs, and when they are disturbed, over several seeds, as the tables of docs/results.md:
python benchmarks/contexts.py RUN RUN RUN

Reads the ``results.json`` of runs evaluated by geometry and context-sensitivity. Each cell is the mean over the runs, a run's own number being a mean
over contexts; ± is the deviation (n - 1) over the runs.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

from contextssl.records.results import ResultRow, read_results

Rows = list[list[ResultRow]]
# Context length of the disturbances, in tokens.
LENGTH = 14


def main(folders: list[str]) -> None:
    runs = [read_results(Path(folder))[1] for folder in folders]
    shares = [row for row in runs[0] if (row.protocol, row.metric, row.representation) == ("geometry", "variance_share", "embedding")]
    factors = [factor for factor in dict.fromkeys(row.factor for row in shares) if factor is not None]
    environments = [name for name in dict.fromkeys(row.environment for row in shares) if name is not None]
    neighbours = [factor for factor in factors if factor != "class"]
    titles = [*(f"share: {_word(factor)}" for factor in factors), *(f"R² by kNN: {_word(factor)}" for factor in neighbours)]
    print(f"| {len(runs)} seed(s); context | pairs | {' | '.join(titles)} |\n|{'---|' * (len(titles) + 2)}")
    for name in [None, *environments]:
        for length in sorted({row.length or 0 for row in shares if row.environment == name}):
            cells = [_cell(runs, "geometry", "variance_share", None, factor, name, length, None) for factor in factors]
            cells += [_cell(runs, "geometry", "r2_pooled", "knn", factor, name, length, None) for factor in neighbours]
            print(f"| {_word(name or 'no context')} | {length // 2} | {' | '.join(cells)} |")
    disturbed = [row for row in runs[0] if (row.protocol, row.metric) == ("context-sensitivity", "variance_share")]
    titles = [f"share: {_word(factor)}" for factor in neighbours]
    print(f"\n| {len(runs)} seed(s); context | disturbance | {' | '.join(titles)} |\n|{'---|' * (len(titles) + 2)}")
    for name in environments:
        for context in dict.fromkeys(row.context for row in disturbed if row.environment == name):
            lengths = {row.length for row in disturbed if (row.environment, row.context) == (name, context)}
            length = LENGTH if LENGTH in lengths else min(each for each in lengths if each)
            cells = [_cell(runs, "context-sensitivity", "variance_share", None, factor, name, length, context) for factor in neighbours]
            print(f"| {_word(name)} | {(context or 'as drawn').replace('color', 'colour')} | {' | '.join(cells)} |")


def _cell(
    runs: Rows, protocol: str, metric: str, head: str | None, factor: str, environment: str | None, length: int, context: str | None
) -> str:
    wanted = (protocol, metric, head, factor, environment, length, context, "embedding", 0.0, "val")

    def fits(row: ResultRow) -> bool:
        about = (row.protocol, row.metric, row.head, row.factor, row.environment, row.length, row.context)
        return (*about, row.representation, row.bottleneck, row.split) == wanted

    return _mean(row.mean for rows in runs for row in rows if fits(row))


def _mean(found: Iterable[float]) -> str:
    values = list(found)
    if not values:
        return "–"
    return f"{statistics.mean(values):.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def _word(name: str) -> str:
    return name.replace("color", "colour")


if __name__ == "__main__":
    main(sys.argv[1:])
