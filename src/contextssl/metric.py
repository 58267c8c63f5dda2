"""A number of a results file: what it is called, how it is written and defined; and, of those that several protocols share, how it is computed.

Those that are computed of every factor, or of the class, wherever a protocol reads one, are the files of :mod:`contextssl.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contextssl.errors import SettingsError
from contextssl.plugins import Kind

if TYPE_CHECKING:
    from contextssl.evaluation.bootstrap import Resampled
    from contextssl.evaluation.scores import Read

    # The number, the floor that a constant reaches, and the number over draws of the items.
    Score = tuple[float, float, Resampled | None]


@dataclass(frozen=True)
class Metric:
    """
    Args:
        name: in rows.
        title: in tables; the name where left out.
        definition: how to read it.
        digits, unit: as it is written.
        of: what it is computed of: ``"factor"`` or ``"class"``; None of a protocol's own.
        score: of one that is computed so.
        relation: of which factors, such as ``"rotation"``; None of all.
    """

    name: str
    title: str = ""
    definition: str = ""
    digits: int = 3
    unit: str = ""
    of: str | None = None
    score: Callable[[Read], Score] | None = None
    relation: str | None = None
    place: int = 100

    # A metric has no settings of its own.
    settings = None


def _metric(name: str, found: Any) -> Metric:
    if not isinstance(found, Metric) or found.score is None:
        raise SettingsError(f"metric {name!r} is a {type(found).__name__}: it must be a contextssl.metric.Metric with a score")
    return found


METRICS = Kind("metric", "contextssl.metrics", "METRIC", _metric)
