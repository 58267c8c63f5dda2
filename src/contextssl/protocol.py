"""One way of evaluating a model, with all that the command line, the evaluation, the report and a comparison ask of it.

Each lies in a file of :mod:`contextssl.protocols`; a user's own is a subclass of :class:`Protocol`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from contextssl.config.evaluation_settings import CHANGE_NOTHING, READ_BY_ALL
from contextssl.errors import SettingsError
from contextssl.head import HEADS, Head
from contextssl.metric import METRICS, Metric
from contextssl.plugins import Kind

if TYPE_CHECKING:
    from rich.console import RenderableType

    from contextssl.config.evaluation_settings import EvaluateSettings
    from contextssl.evaluation.plan import Plan
    from contextssl.evaluation.verdict import Verdict
    from contextssl.records.results import ResultRow
    from contextssl.report.collect import Run
    from contextssl.report.entries import Averaged
    from contextssl.report.grid import Grid
    from contextssl.report.panels import Picture
    from contextssl.report.sections import Section


@dataclass(frozen=True)
class Column:
    """A column of the terminal's table.

    Args:
        by_factor: a cell holds a number for each factor; else the one row of that metric and head.
    """

    metric: str
    head: str | None
    title: str
    by_factor: bool = True


class Protocol(ABC):
    """A protocol. Only ``name``, ``intro`` and :meth:`rows` are needed.

    Attributes:
        name: in ``contextssl evaluate NAME``, and in rows.
        intro: one sentence, for ``--help``.
        title: over its table of a comparison; the name where left out.
        place: among others: in ``evaluate all``, in tables.
        in_all: whether ``evaluate all`` runs it.
        views: ``"rows"`` where it is of tables alone; None of all views.
        reads: settings of an evaluation beside those that every protocol reads.
        settings: its own, a dataclass; read by :func:`~contextssl.config.own_settings.own_of`.
        epochs: passes of trained heads over the training data where none are given, as published.
        metrics: that are its own.
        definitions: how to read whatever else its rows hold.
        columns: of the terminal's table; a column for each metric and head where left out.
        all_representations: whether the terminal shows rows of more than embeddings.
    """

    name: ClassVar[str]
    intro: ClassVar[str]
    title: ClassVar[str] = ""
    place: ClassVar[int] = 100
    in_all: ClassVar[bool] = False
    views: ClassVar[str | None] = None
    reads: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type[Any] | None] = None
    epochs: ClassVar[int | None] = None
    metrics: ClassVar[tuple[Metric, ...]] = ()
    definitions: ClassVar[Mapping[str, str]] = {}
    columns: ClassVar[tuple[Column, ...]] = ()
    all_representations: ClassVar[bool] = True

    @abstractmethod
    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        """The numbers.

        Args:
            plan: settings, model, contexts and views; what it shares with other protocols is computed once.
        """

    def split(self, settings: EvaluateSettings) -> str:
        """Which split its rows are of."""
        return settings.split

    def is_of(self, settings: Any) -> bool:
        """Whether a comparison evaluates a run of these training settings by it."""
        return True

    def says(self, rows: Sequence[ResultRow]) -> Verdict | None:
        """What its rows say together, where there is a rule for that."""
        return None

    def summary(self, rows: Sequence[ResultRow], split: str) -> RenderableType:
        """What the terminal shows."""
        from contextssl.evaluation.summary import summary

        return summary(rows, self, split)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        """Its figures by name; None where there are no rows for one."""
        return {}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        """Its sections of the report; every number stands in the page's last one anyway.

        Args:
            pictures: of all protocols.
            factors: of these runs.
        """
        return ()

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        """Its tables of a comparison: every number, where nothing better is known. None where there are no rows for one."""
        from contextssl.report.comparison_tables import every_number

        return (every_number(entries, self, factors),)


def _protocol(name: str, found: Any) -> Protocol:
    found = found() if isinstance(found, type) and issubclass(found, Protocol) else found
    if not isinstance(found, Protocol):
        raise SettingsError(f"protocol {name!r} is a {type(found).__name__}: it must be a subclass of contextssl.protocol.Protocol")
    if found.name in PROTOCOLS.built_in:
        raise SettingsError(f"protocol {name!r} calls itself {found.name!r}, as one that is built in: rename it")
    return found


PROTOCOLS = Kind("protocol", "contextssl.protocols", "PROTOCOL", _protocol)
# What every row may hold, whatever its protocol.
SHARED_DEFINITIONS: Mapping[str, str] = {
    "inputs": "every probe, neighbour, rank and variance reads L2-normalised features or embeddings, of unit length, unless normalize is false",
    "prediction": "what the told action makes of a view; a factor that is told is the target view's, another the source's",
    "mean, std": "over contexts; std with n - 1 in the denominator, and without the choice of items",
    "item_std": "standard error of the mean by the choice of the evaluated items: bootstrap over items, all views of an item (rows of a person) "
    "together; heads, neighbours and contexts stay as they are",
    "length": "of the context in tokens, two a pair; at 0 there is no context",
    "bottleneck": "variance of the Gaussian noise on normalised embeddings, as a share of their total variance over the training views in "
    "the same context; probes are trained and tested on noisy embeddings",
    "auxiliary": "the model's own head; it has no loss where a factor is not told, so how far below the floor it falls there is its own affair",
}


def definitions_of(protocol: Protocol) -> dict[str, str]:
    """How to read each number of its rows; kept beside them in every results file."""
    parts: list[Head | Metric] = [*HEADS.all(), *METRICS.all(), *protocol.metrics]
    return {**SHARED_DEFINITIONS, **{part.name: part.definition for part in parts if part.definition}, **protocol.definitions}


def in_all(views: str | None = None) -> list[Protocol]:
    """Those of ``evaluate all``, of one kind of views where it is named."""
    return [protocol for protocol in PROTOCOLS.all() if protocol.in_all and (views is None or protocol.views in (None, views))]


def settings_read(*protocols: Protocol) -> tuple[str, ...]:
    """The names of all settings of an evaluation that one of these protocols reads."""
    return (*READ_BY_ALL, *dict.fromkeys(name for protocol in protocols for name in protocol.reads))


def settings_that_count(protocol: Protocol) -> tuple[str, ...]:
    """Those of them that change its numbers: two evaluations that agree in all of these can stand side by side."""
    return tuple(name for name in settings_read(protocol) if name not in CHANGE_NOTHING)


@cache
def metric_of(name: str) -> Metric:
    """The metric of a row; one that nobody declared has its name as its title."""
    known = {metric.name: metric for metric in METRICS.all()} | {each.name: each for part in PROTOCOLS.all() for each in part.metrics}
    return known.get(name, Metric(name, name))
