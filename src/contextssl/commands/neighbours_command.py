"""``contextssl neighbours``: the nearest images, on the screen and in a file."""

from __future__ import annotations

import csv
from pathlib import Path

from rich.console import Console
from rich.table import Table

from contextssl.commands.embed_command import given_of
from contextssl.commands.used_model import needed, used_context, used_model
from contextssl.config.use_settings import NeighboursSettings
from contextssl.data.given_images import GivenImages
from contextssl.models.contextssl import ContextSSL
from contextssl.models.neighbours import Neighbours
from contextssl.models.stored_embeddings import is_embeddings_file
from contextssl.system.console import show
from contextssl.system.files import atomic_path


def run_neighbours(settings: NeighboursSettings) -> int:
    queries = needed(settings, "queries", "the images whose neighbours are wanted", "neighbours MODEL QUERIES [IMAGES]")
    model = used_model(settings)
    context = used_context(model, settings)
    asked = _given(model, queries)
    if settings.images is None:
        found = model.neighbours(None, asked, context, settings.k)
    else:
        found = model.neighbours(asked, _given(model, settings.images), context, settings.k)
    if settings.show:
        pairs = 0 if context is None else context.pairs
        show(table_of(found, settings.show, f"after {pairs} examples" if pairs else "without examples"), Console(highlight=False))
    if settings.out is not None:
        write_neighbours(found, Path(settings.out))
        print(f"{settings.out}: {found.rows.numel():,} neighbours of {len(found.queries):,} images")
    return 0


def _given(model: ContextSSL, path: str) -> GivenImages | str:
    return path if is_embeddings_file(path) else given_of(model, path)


def table_of(found: Neighbours, most: int, title: str) -> Table:
    """The neighbours of the first queries, with their cosines."""
    table = Table(title=f"nearest images, {title}", title_justify="left")
    table.add_column("query", overflow="fold")
    table.add_column("neighbours, nearest first", overflow="fold")
    for query, names, cosines in list(zip(found.queries, found.names, found.similarities.tolist(), strict=True))[:most]:
        table.add_row(query, ", ".join(f"{name} ({cosine:.2f})" for name, cosine in zip(names, cosines, strict=True)))
    if len(found.queries) > most:
        table.caption = f"{most} of {len(found.queries):,}; out=neighbours.csv keeps all"
    return table


def write_neighbours(found: Neighbours, path: Path) -> None:
    """All of them as CSV, a line each. Raises DataError where it cannot be written."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "rank", "image", "similarity"))
        for query, names, cosines in zip(found.queries, found.names, found.similarities.tolist(), strict=True):
            writer.writerows(
                (query, rank, name, f"{cosine:.6g}") for rank, (name, cosine) in enumerate(zip(names, cosines, strict=True), 1)
            )
