"""``contextssl evaluate``: the numbers of a model by one protocol, or by all."""

from __future__ import annotations

from rich.console import Console

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.protocols import PROTOCOLS, evaluation_name, rows_split
from contextssl.evaluation.fairness_summary import fairness_summary
from contextssl.evaluation.run import evaluate
from contextssl.evaluation.summary import summary
from contextssl.evaluation.verdict import verdict
from contextssl.records.results import RESULTS, read_results
from contextssl.system.console import show


def run_evaluate(settings: EvaluateSettings, *protocols: str) -> int:
    """By the protocols named; by all of them where none is."""
    protocols = protocols or PROTOCOLS
    folder = evaluate(settings, protocols)
    run, rows = read_results(folder)
    console = Console()
    splits = {protocol: rows_split(protocol, settings.split, settings.sources) for protocol in protocols}
    made = {protocol: evaluation_name(protocol, split) for protocol, split in splits.items()}
    made = {protocol: name for protocol, name in made.items() if name in run["evaluations"]}
    for protocol, name in made.items():
        if protocol == "fairness":
            show(fairness_summary(rows, settings.split), console)
            for note in run["evaluations"][name]["notes"]:
                console.print(note, highlight=False)
        else:
            show(summary(rows, (protocol,), splits[protocol]), console)
        if protocol == "reading" and (said := verdict([row for row in rows if row.split == settings.split])):
            console.print(said.sentence, highlight=False)
    names = list(made.values())
    seconds = sum(run["evaluations"][name]["seconds"] for name in names)
    console.print(f"{seconds:.0f} s; all numbers: {folder / RESULTS}", highlight=False)
    return 0
