"""Metrics: the title, format and definition of a number in a results file.

Those that every protocol computes per factor, or of the class, are the files of :mod:`contextssl.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contextssl.errors import SettingsError
from contextssl.plugins import Kind

if TYPE_CHECKING:
    from contextssl.evaluation.bootstrap import Resampled
    from contextssl.evaluation.scores import Probed as Probed

    # The value, the floor (of a constant prediction), and the values over bootstrap draws of the items.
    Score = tuple[float, float, Resampled | None]


@dataclass(frozen=True)
class Metric:
    """
    Args:
        name: in rows.
        title: in tables; default: the name.
        definition: kept with the results.
        digits, unit: of its format.
        of: ``"factor"`` or ``"class"``; None of a protocol's own metric.
        score: computes one of a factor or of the class.
        relation: of the factors that it applies to, such as ``"rotation"``; None: all.
    """

    name: str
    title: str = ""
    definition: str = ""
    digits: int = 3
    unit: str = ""
    of: str | None = None
    score: Callable[[Probed], Score] | None = None
    relation: str | None = None
    place: int = 100

    # A metric has no settings of its own.
    settings = None


def _metric(name: str, found: Any) -> Metric:
    if not isinstance(found, Metric) or found.score is None:
        raise SettingsError(f"metric {name!r} is a {type(found).__name__}: it must be a contextssl.metric.Metric with a score")
    return found


METRICS = Kind("metric", "contextssl.metrics", "METRIC", _metric)
