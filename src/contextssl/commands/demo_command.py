"""``contextssl demo``: renders, trains and evaluates from scratch, and shows the result."""

from __future__ import annotations

from rich.console import Console

from contextssl.config.settings import DemoSettings
from contextssl.demo import demo
from contextssl.report.collect import read_run
from contextssl.report.gallery import GALLERY
from contextssl.report.screen import adaptation_screen, neighbours_screen
from contextssl.system.console import show
from contextssl.system.digested_json import read_digested
from contextssl.system.memory import peak_memory_mib


def run_demo(settings: DemoSettings) -> int:
    made = demo(settings)
    run = read_run(made.folder)
    console = Console(highlight=False)
    evaluated = next(iter(run.evaluations.values()))
    measured = f"{evaluated['items']} unseen objects, mean of {evaluated['contexts']} contexts"
    console.print(f"\nOne model, no weight changed: {measured}", style="bold")
    if (screen := adaptation_screen(run)) is not None:
        show(screen, console)
    console.print("share, class: of the embedding's variance; R² by kNN, by the auxiliary head,")
    console.print("by ridge regression on noisy embeddings: docs/evaluation.md. R² is pooled here,")
    console.print("the report and results.json have that of each dimension too")
    gallery = made.folder / GALLERY
    if run.context_kind == "examples" and gallery.is_file():
        show(neighbours_screen(read_digested(gallery, "remove it, and make the report again")), console)
    took = ", ".join(f"{part} {seconds / 60:.1f} min" for part, seconds in made.seconds.items())
    console.print(f"{took}; at most {peak_memory_mib() / 1024:.1f} GiB")
    console.print(f"open the report: {made.report}", style="bold")
    return 0
