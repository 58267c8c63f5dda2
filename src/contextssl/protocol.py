"""Evaluation protocols: everything that the command line, the evaluation, the report and a comparison need of one.

Each is a file of :mod:`contextssl.protocols`; a user's own is a subclass of :class:`Protocol`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from contextssl.config.evaluation_settings import CHANGE_NOTHING, READ_BY_ALL
from contextssl.config.published_words import RENAMED_PROTOCOLS
from contextssl.errors import SettingsError
from contextssl.head import HEADS, Head
from contextssl.metric import METRICS, Metric
from contextssl.plugins import Kind

if TYPE_CHECKING:
    # The types of its methods, which protocols import from here.
    from rich.console import RenderableType as RenderableType

    from contextssl.config.evaluation_settings import EvaluateSettings as EvaluateSettings
    from contextssl.evaluation.plan import Plan as Plan
    from contextssl.evaluation.verdict import Verdict as Verdict
    from contextssl.records.results import ResultRow as ResultRow
    from contextssl.report.collect import Run as Run
    from contextssl.report.entries import Averaged as Averaged
    from contextssl.report.grid import Grid as Grid
    from contextssl.report.panels import Picture as Picture
    from contextssl.report.sections import Section as Section


@dataclass(frozen=True)
class Column:
    """A column of the table in the terminal; ``by_factor``: a cell holds one number per factor."""

    metric: str
    head: str | None
    title: str
    by_factor: bool = True


def both_r2(head: str, title: str) -> tuple[Column, Column]:
    """Both definitions of R² by one head, beside each other: published tables mix them."""
    return Column("r2_pooled", head, title), Column("r2", head, f"{title}\nper dim.")


class Protocol(ABC):
    """A protocol. Only ``name``, ``intro`` and :meth:`rows` are needed.

    Attributes:
        name: in ``contextssl evaluate NAME``, and in rows.
        intro: one sentence, for ``--help``.
        title: of its table in a comparison; default: the name.
        place: its order in ``evaluate all`` and in tables.
        in_all: whether ``evaluate all`` runs it.
        views: ``"rows"`` for tables only, ``"pairs"`` for listed pairs only; None for all data.
        reads: evaluation settings that it uses, next to those that every protocol uses.
        settings: its own, a dataclass; parsed by :func:`~contextssl.config.own_settings.own_of`.
        epochs: default of the trained heads, as published.
        metrics: its own.
        definitions: of what else its rows hold.
        columns: of the table in the terminal; default: one per metric and head.
        predicts: whether it asks what an action makes of a view, which a model of examples cannot be asked.
        reads_values: whether it reads factor values, which listed pairs have none of.
        all_representations: whether the terminal shows rows of other representations than embeddings.
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
    predicts: ClassVar[bool] = False
    reads_values: ClassVar[bool] = False
    all_representations: ClassVar[bool] = True

    @abstractmethod
    def rows(self, plan: Plan) -> Iterable[ResultRow]:
        """Compute the numbers from settings, model, contexts and views; what protocols share is computed once."""

    def split(self, settings: EvaluateSettings) -> str:
        """The split that its rows are of."""
        return settings.split

    def is_of(self, settings: Any) -> bool:
        """Whether a comparison evaluates a run of these training settings by it."""
        from contextssl.method import METHODS

        by_examples = settings.context == "examples" and "context" in METHODS.find(settings.method).reads
        return not (self.predicts and by_examples)

    def says(self, rows: Sequence[ResultRow]) -> Verdict | None:
        """A verdict from its rows, where it has a rule for one."""
        return None

    def summary(self, rows: Sequence[ResultRow], split: str) -> RenderableType:
        """What the terminal shows."""
        from contextssl.evaluation.summary import summary

        return summary(rows, self, split)

    def pictures(self, runs: Sequence[Run]) -> Mapping[str, Picture | None]:
        """Its figures by name; None where there are no rows for one."""
        return {}

    def sections(self, runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
        """Its sections of the report, from the pictures of all protocols. The last section lists every number in any case."""
        return ()

    def tables(self, entries: Sequence[Averaged], factors: Sequence[str]) -> Sequence[Grid | None]:
        """Its tables of a comparison; default: every number. None where there are no rows for one."""
        from contextssl.report.comparison_tables import every_number

        return (every_number(entries, self, factors),)


def _protocol(name: str, found: Any) -> Protocol:
    found = found() if isinstance(found, type) and issubclass(found, Protocol) else found
    if not isinstance(found, Protocol):
        raise SettingsError(f"protocol {name!r} is a {type(found).__name__}: it must be a subclass of contextssl.protocol.Protocol")
    if found.name in PROTOCOLS.built_in:
        raise SettingsError(f"protocol {name!r} has the name {found.name!r} of a built-in protocol: rename it")
    return found


PROTOCOLS = Kind("protocol", "contextssl.protocols", "PROTOCOL", _protocol, former=RENAMED_PROTOCOLS)
# What every row may hold, whatever its protocol.
SHARED_DEFINITIONS: Mapping[str, str] = {
    "inputs": "probes, neighbours, ranks and variances are of L2-normalised features or embeddings, unless normalize is false",
    "prediction": "the embedding predicted for a view and an action; its active factors are the target view's, its inactive ones the source's",
    "mean, std": "over contexts; std with n - 1 in the denominator; it does not include the choice of items",
    "item_std": "standard error of the mean over the choice of evaluated items: bootstrap over items, all views of an item (rows of a person) "
    "together, with heads, neighbours and contexts fixed",
    "length": "of the context in tokens, two per pair; 0: no context",
    "bottleneck": "variance of the Gaussian noise on normalised embeddings, as a share of their total variance over the training views in "
    "the same context; probes are trained and tested on noisy embeddings",
    "auxiliary": "the model's own head; it has no loss on inactive factors, so its values below the floor mean nothing",
}


def definitions_of(protocol: Protocol) -> dict[str, str]:
    """The definition of each number in its rows; kept with them in every results file."""
    parts: list[Head | Metric] = [*HEADS.all(), *METRICS.all(), *protocol.metrics]
    return {**SHARED_DEFINITIONS, **{part.name: part.definition for part in parts if part.definition}, **protocol.definitions}


def in_all(views: str | None = None) -> list[Protocol]:
    """The protocols of ``evaluate all``, for one kind of views where it is given."""
    return [protocol for protocol in PROTOCOLS.all() if protocol.in_all and (views is None or protocol.views in (None, views))]


def every_protocol(own: Sequence[str] = ()) -> list[Protocol]:
    """Those that are built in or installed, then a user's own of these names; SettingsError for one that is unknown, or of no protocol."""
    return [*PROTOCOLS.all(), *(each for name in own if (each := PROTOCOLS.find(name)).name not in PROTOCOLS.names())]


def settings_read(*protocols: Protocol) -> tuple[str, ...]:
    """The evaluation settings that any of these protocols uses."""
    return (*READ_BY_ALL, *dict.fromkeys(name for protocol in protocols for name in protocol.reads))


def settings_that_count(protocol: Protocol) -> tuple[str, ...]:
    """The settings that change its numbers: two evaluations that agree in all of these can be compared."""
    return tuple(name for name in settings_read(protocol) if name not in CHANGE_NOTHING)


@cache
def metric_of(name: str) -> Metric:
    """The metric of a row; an undeclared one has its name as its title."""
    known = {metric.name: metric for metric in METRICS.all()} | {each.name: each for part in PROTOCOLS.all() for each in part.metrics}
    return known.get(name, Metric(name, name))
