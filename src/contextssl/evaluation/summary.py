"""The main numbers of an evaluation as one table: a row a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from contextssl.config.protocols import FURTHER_PROTOCOLS
from contextssl.evaluation.deviations import deviation, deviation_words
from contextssl.records.results import ResultRow

# Which rows make up a column: protocol, metric, head, a title. Those of a factor hold a number for each factor.
_DISTANCES = (("variance_share", None, "share"), ("r2_pooled", "knn", "kNN"))
FACTOR_COLUMNS = (
    ("geometry", "variance_share", None, "share"),
    ("geometry", "sensitivity", None, "moves"),
    ("geometry", "r2_pooled", "knn", "kNN"),
    ("geometry", "factor_nats", None, "nats ≤"),
    ("probe", "r2_pooled", "auxiliary", "aux"),
    ("probe", "r2_pooled", "published", "paper"),
    ("probe", "r2_pooled", "mlp", "MLP"),
    ("probe", "r2_pooled", "linear", "linear"),
    ("probe", "r2_pooled", "ridge", "ridge"),
    ("equivariance", "r2_pooled", "published", "paper"),
    ("equivariance", "r2_pooled", "mlp", "MLP"),
    ("equivariance", "r2_pooled", "linear", "linear"),
    ("equivariance", "r2_pooled", "ridge", "ridge"),
    *(("reading", metric, head, title) for metric, head, title in _DISTANCES),
    ("reading", "r2_pooled", "auxiliary", "aux"),
    *(("erasure", metric, head, title) for metric, head, title in _DISTANCES),
    ("erasure", "r2_pooled", "ridge", "ridge"),
    ("labels", "accuracy", "label", "accuracy"),
)
PLAIN_COLUMNS = (
    ("retrieval", "mrr", None, "MRR"),
    ("retrieval", "hit@1", None, "H@1"),
    ("probe", "accuracy", "published", "paper\nclass"),
    ("probe", "accuracy", "linear", "linear\nclass"),
    ("probe", "accuracy", "ridge", "ridge\nclass"),
)


@dataclass(frozen=True)
class _Context:
    environment: str | None
    length: int
    bottleneck: float
    how: str = ""

    @property
    def title(self) -> tuple[str, ...]:
        return (
            ", ".join(filter(None, (self.environment or "none", self.how))),
            str(self.length),
            f"{self.bottleneck:g}" if self.bottleneck else "",
        )


def summary(rows: Sequence[ResultRow], protocols: Sequence[str], split: str) -> Group:
    """The main numbers of these protocols by context, means over contexts; the last rows hold the floors and the largest ± of each column.

    A cell about factors holds one number for each, in the order that the title tells: narrow enough for 80 columns.
    """
    rows = [row for row in rows if row.protocol in protocols and row.split == split and _shown(row)]
    factors = list(dict.fromkeys(row.factor for row in rows if row.factor not in (None, "class")))
    chosen: dict[str, list[list[ResultRow]]] = {}
    for protocol, metric, head, title in FACTOR_COLUMNS:
        found = [row for row in rows if (row.protocol, row.metric, row.head) == (protocol, metric, head) and row.factor != "class"]
        if found:
            chosen[title] = [[row for row in found if row.factor == factor] for factor in factors]
    for protocol, metric, head, title in PLAIN_COLUMNS:
        found = [row for row in rows if (row.protocol, row.metric, row.head) == (protocol, metric, head)]
        if found:
            chosen[title] = [found]
    contexts = {_context(row): None for column in chosen.values() for found in column for row in found}
    several = f"; {'/'.join(map(str, factors))}" if any(len(column) > 1 for column in chosen.values()) else ""
    heading = Text(f"{', '.join(protocols)}: {split} split, means over contexts{several}", style="italic")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    noisy = any(context.bottleneck for context in contexts)
    for name in ("context", "tokens", *(["noise"] if noisy else []), *chosen):
        table.add_column(name, justify="left" if name == "context" else "right", no_wrap=True)
    cells = {title: [{_context(row): row for row in found} for found in column] for title, column in chosen.items()}
    order = sorted(
        contexts, key=lambda context: (context.length > 0, context.environment or "", context.length, context.bottleneck, context.how)
    )
    for context in order:
        table.add_row(*context.title[: 2 + noisy], *("/".join(_written(by.get(context)) for by in column) for column in cells.values()))
    table.add_section()
    table.add_row("floor", *[""] * (1 + noisy), *("/".join(map(_floor, column)) for column in chosen.values()))
    table.add_row("± at most", *[""] * (1 + noisy), *("/".join(map(_largest, column)) for column in chosen.values()))
    return Group(heading, table, Text(f"± is {deviation_words(rows)}", style="italic"))


def _context(row: ResultRow) -> _Context:
    how = row.context or ("" if row.representation == "embedding" else row.representation or "")
    return _Context(row.environment, row.length or 0, row.bottleneck, how)


def _shown(row: ResultRow) -> bool:
    return row.representation == "embedding" or row.protocol in FURTHER_PROTOCOLS


def _written(row: ResultRow | None) -> str:
    if row is None:
        return ""
    if row.mean != row.mean:
        return "–"
    return f"{row.mean:.2f}"


def _largest(found: Sequence[ResultRow]) -> str:
    return f"{max(known):.2f}" if (known := [error for row in found if (error := deviation(row)) is not None]) else ""


def _floor(found: Sequence[ResultRow]) -> str:
    floors = [row.floor for row in found if row.floor is not None]
    return f"{floors[0]:.2f}" if floors else ""
