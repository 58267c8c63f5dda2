"""``contextssl train``: trains a model, and shows how it adapts."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from contextssl.config.settings import TrainSettings
from contextssl.evaluation.contexts import pairs_in
from contextssl.records.alarms import alarm_sentences
from contextssl.records.results import ResultRow, read_results
from contextssl.system.console import show, warn
from contextssl.system.distributed import is_first_process
from contextssl.training.run import train


def run_train(settings: TrainSettings) -> int:
    folder = train(settings)
    if is_first_process():
        run, rows = read_results(folder)
        console = Console(highlight=False)
        if (table := adaptation_table(rows)) is not None:
            show(table, console)
        for row in rows:
            if row.protocol == "online" and row.metric == "accuracy" and row.representation == "feature":
                console.print(f"class accuracy by kNN on features: {row.mean:.3f} (most frequent class {row.floor:.2f})")
        for sentence in alarm_sentences(run):
            warn(sentence)
        console.print(f"{run['steps']:,} steps, {run['images']:,} views in {run['seconds'] / 60:.1f} min; run folder: {folder}")
    return 0


def adaptation_table(rows: list[ResultRow]) -> Table | None:
    """R² of each factor by the auxiliary head on validation pairs, one row per context; None if the method has no such head."""
    scores = [row for row in rows if row.metric == "r2_pooled" and row.head == "auxiliary"]
    if not scores:
        return None
    factors = list(dict.fromkeys(row.factor for row in scores if row.factor))
    floors = {row.factor: row.floor for row in scores}
    table = Table(title="R² by the auxiliary head, on validation pairs", title_justify="left")
    table.add_column("context")
    table.add_column("pairs", justify="right")
    for factor in factors:
        table.add_column(f"{factor} (floor {floors[factor]:.2f})", justify="right")
    cells = {(row.environment, row.length, row.factor): row.mean for row in scores}
    # Without a context all environments are the same, except for a model that is given their names and takes no contexts.
    by_name = not any(row.length for row in scores)
    contexts = dict.fromkeys((None, 0) if row.length == 0 and not by_name else (row.environment, row.length) for row in scores)
    first = scores[0].environment
    for environment, length in contexts:
        values = [cells.get((environment or first, length, factor)) for factor in factors]
        table.add_row(
            environment or "none given", str(pairs_in(length or 0)), *("" if value is None else f"{value:.3f}" for value in values)
        )
    return table
