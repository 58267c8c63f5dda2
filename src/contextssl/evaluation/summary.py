"""The main numbers of an evaluation as one table: a row a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from contextssl.evaluation.results import ResultRow

# Which rows make up a column: protocol, metric, head, a title. Those of a factor give a column for each factor.
FACTOR_COLUMNS = (
    ("geometry", "variance_share", None, "share"),
    ("geometry", "sensitivity", None, "moves"),
    ("geometry", "r2_pooled", "knn", "kNN"),
    ("probe", "r2_pooled", "auxiliary", "aux"),
    ("probe", "r2_pooled", "mlp", "MLP"),
    ("probe", "r2_pooled", "linear", "linear"),
    ("probe", "r2_pooled", "ridge", "ridge"),
    ("equivariance", "r2_pooled", "mlp", "MLP"),
    ("equivariance", "r2_pooled", "linear", "linear"),
    ("equivariance", "r2_pooled", "ridge", "ridge"),
)
PLAIN_COLUMNS = (
    ("retrieval", "mrr", None, "MRR"),
    ("retrieval", "hit@1", None, "H@1"),
    ("probe", "accuracy", "linear", "linear\nclass"),
    ("probe", "accuracy", "ridge", "ridge\nclass"),
)


@dataclass(frozen=True)
class _Context:
    environment: str | None
    length: int
    bottleneck: float

    @property
    def title(self) -> tuple[str, ...]:
        return (self.environment or "none", str(self.length), f"{self.bottleneck:g}" if self.bottleneck else "")


def summary_table(rows: Sequence[ResultRow], protocols: Sequence[str], split: str) -> Table:
    """The main numbers of these protocols by context, means over contexts; the last row holds the floors."""
    rows = [row for row in rows if row.protocol in protocols and row.split == split and row.representation == "embedding"]
    chosen: dict[str, list[ResultRow]] = {}
    for protocol, metric, head, title in FACTOR_COLUMNS:
        found = [row for row in rows if (row.protocol, row.metric, row.head) == (protocol, metric, head) and row.factor != "class"]
        for factor in dict.fromkeys(row.factor for row in found):
            chosen[f"{title}\n{factor}"] = [row for row in found if row.factor == factor]
    for protocol, metric, head, title in PLAIN_COLUMNS:
        found = [row for row in rows if (row.protocol, row.metric, row.head) == (protocol, metric, head)]
        if found:
            chosen[title] = found
    contexts = {_Context(row.environment, row.length or 0, row.bottleneck): None for found in chosen.values() for row in found}
    what = ", ".join(protocols)
    table = Table(title=f"{what}: {split} split, means over contexts", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    noisy = any(context.bottleneck for context in contexts)
    for title in ("context", "tokens", *(["noise"] if noisy else [])):
        table.add_column(title, justify="left" if title == "context" else "right", no_wrap=True)
    for title in chosen:
        table.add_column(title, justify="right", no_wrap=True)
    cells = {(title, _Context(row.environment, row.length or 0, row.bottleneck)): row for title, found in chosen.items() for row in found}
    order = sorted(contexts, key=lambda context: (context.length > 0, context.environment or "", context.length, context.bottleneck))
    for context in order:
        table.add_row(*context.title[: 2 + noisy], *(_written(cells.get((title, context))) for title in chosen))
    table.add_section()
    table.add_row("floor", *[""] * (1 + noisy), *(_floor(found) for found in chosen.values()))
    return table


def _written(row: ResultRow | None) -> str:
    if row is None:
        return ""
    if row.mean != row.mean:
        return "–"
    return f"{row.mean:.3f}"


def _floor(found: Sequence[ResultRow]) -> str:
    floors = [row.floor for row in found if row.floor is not None]
    return f"{floors[0]:.2f}" if floors else ""
