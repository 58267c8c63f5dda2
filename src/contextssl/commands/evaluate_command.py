"""``contextssl evaluate``: evaluates a model by one protocol, or by all."""

from __future__ import annotations

from rich.console import Console

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.evaluation.evaluate import evaluate
from contextssl.protocol import PROTOCOLS, in_all
from contextssl.records.results import RESULTS, evaluation_name, read_results
from contextssl.system.console import show
from contextssl.system.distributed import is_first_process


def run_evaluate(settings: EvaluateSettings, protocol: str | None = None) -> int:
    """By the protocol named (default: all of them)."""
    folder = evaluate(settings, None if protocol is None else [protocol])
    if not is_first_process():
        return 0
    run, rows = read_results(folder)
    console = Console()
    seconds = 0.0
    for each in in_all() if protocol is None else [PROTOCOLS.find(protocol)]:
        split = each.split(settings)
        if (made := run["evaluations"].get(evaluation_name(each.name, split))) is None:
            continue
        own = [row for row in rows if row.protocol == each.name and row.split == split]
        show(each.summary(own, split), console)
        for note in made["notes"] if each.views == "rows" else ():
            console.print(note, highlight=False)
        if said := each.says(own):
            console.print(said.sentence, highlight=False)
        seconds += made["seconds"]
    console.print(f"{seconds:.0f} s; all numbers: {folder / RESULTS}", highlight=False)
    return 0
