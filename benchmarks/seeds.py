"""The adaptation over several seeds, as the tables of docs/results.md: python benchmarks/seeds.py RUN RUN RUN

Reads the ``results.json`` of evaluated runs. Each cell is a mean ± deviation (n - 1) over the runs; a run's own number is a mean over contexts.
Where the runs have it, the larger of that and the error by the choice of items, which seeds share; the first line says which.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from contextssl.evaluation.contexts import pairs_in
from contextssl.evaluation.deviations import deviation_words
from contextssl.records.results import ResultRow, read_results

# Context lengths, in tokens.
LENGTHS = (14, 62)
Contexts = list[tuple[str | None, int]]
# Title, protocol, metric, head, noise share.
BY_FACTOR = (
    ("variance share", "geometry", "variance_share", None, 0.0),
    ("sensitivity", "geometry", "sensitivity", None, 0.0),
    ("R² by kNN", "geometry", "r2_pooled", "knn", 0.0),
    ("R² by the model's own head", "probe", "r2_pooled", "auxiliary", 0.0),
    ("R² by a fresh linear probe (Adam, 20 epochs)", "probe", "r2_pooled", "linear", 0.0),
    ("R² by fresh ridge", "probe", "r2_pooled", "ridge", 0.0),
    ("R² by fresh ridge, noise share 0.3", "probe", "r2_pooled", "ridge", 0.3),
    ("R² by fresh ridge, noise share 1", "probe", "r2_pooled", "ridge", 1.0),
)
PLAIN = (
    ("MRR", "retrieval", "mrr", None),
    ("H@1", "retrieval", "hit@1", None),
    ("class accuracy, linear", "probe", "accuracy", "linear"),
    ("class accuracy, ridge", "probe", "accuracy", "ridge"),
)


def main(folders: list[str]) -> None:
    runs = [read_results(Path(folder))[1] for folder in folders]
    shares = [row for row in runs[0] if _is(row, "geometry", "variance_share", None, 0.0)]
    environments = dict.fromkeys(row.environment for row in shares if row.environment)
    factors = [factor for factor in dict.fromkeys(row.factor for row in shares) if factor not in (None, "class")]
    contexts: Contexts = [(None, 0), *((environment, length) for environment in environments for length in LENGTHS)]
    titles = [f"{(environment or 'no context').replace('color', 'colour')}, {pairs_in(length)}" for environment, length in contexts]
    print(f"± is {deviation_words((row for rows in runs for row in rows), 'seeds')}.\n")
    print(f"| {len(runs)} seeds; context, pairs | " + " | ".join(titles) + " | floor |")
    print("|---|" + "---|" * (len(titles) + 1))
    for title, protocol, metric, head, noise in BY_FACTOR:
        for factor in [*factors, "class"] if metric == "variance_share" else factors:
            found = [[row for row in rows if _is(row, protocol, metric, head, noise) and row.factor == factor] for rows in runs]
            _print_line(f"{title}: {'colour' if factor == 'color' else factor}", found, contexts)
    for title, protocol, metric, head in PLAIN:
        _print_line(title, [[row for row in rows if _is(row, protocol, metric, head, 0.0)] for rows in runs], contexts)


def _is(row: ResultRow, protocol: str, metric: str, head: str | None, noise: float) -> bool:
    same = (row.protocol, row.metric, row.head, row.bottleneck) == (protocol, metric, head, noise)
    return same and row.split == "val" and row.representation == "embedding"


def _print_line(title: str, found: list[list[ResultRow]], contexts: Contexts) -> None:
    """Nothing where no run has such rows, as MRR of models that take no actions."""
    if not any(found):
        return
    cells = []
    for environment, length in contexts:
        # With no context one number serves every environment, but for retrieval, whose told action differs.
        per_run = [[row for row in rows if row.length == length and (length == 0 or row.environment == environment)] for rows in found]
        choices = {len(values) for values in per_run}
        cells.append(" / ".join(_mean([values[k] for values in per_run]) for k in range(min(choices))) or "–")
    floors = [row.floor for rows in found for row in rows if row.floor is not None]
    floor = f"{statistics.mean(floors):.2f}" if floors else ""
    print(f"| {title} | {' | '.join(cells)} | {floor} |")


def _mean(rows: list[ResultRow]) -> str:
    values = [row.mean for row in rows]
    # Runs are evaluated on the same items, whose choice does not average out over them.
    errors = [row.item_std for row in rows if row.item_std is not None]
    known = [statistics.stdev(values)] if len(values) > 1 else []
    known += [statistics.mean(errors)] if len(errors) == len(rows) else []
    return f"{statistics.mean(values):.3f}" + (f" ± {max(known):.3f}" if known else "")


if __name__ == "__main__":
    main(sys.argv[1:])
