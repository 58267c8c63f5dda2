"""How names and numbers are written on the page."""

from __future__ import annotations

import math

from contextssl.evaluation.contexts import pairs_words
from contextssl.evaluation.deviations import deviation
from contextssl.factors import NO_FACTOR
from contextssl.head import HEADS
from contextssl.protocol import metric_of
from contextssl.records.results import ResultRow

UNDEFINED = "undefined"
# Heads beyond those of the setting.
OTHER_HEADS = {"auxiliary": "the model's own head", "logistic": "logistic regression", "boosting": "gradient boosting"}


def factor_name(name: str | None) -> str:
    return "colour" if name == "color" else name or ""


def environment_name(name: str | None) -> str:
    """What kind of context it is: ``"rotation + colour"``; ``"invariant"`` where no factor is active."""
    return "invariant" if name == NO_FACTOR else active_name(name) if name else "no context"


def active_name(environment: str) -> str:
    """Its active factors: ``"rotation + colour"``, ``"no factor"``."""
    return "no factor" if environment == NO_FACTOR else " + ".join(factor_name(part) for part in environment.split("+"))


def a_context(environment: str) -> str:
    """``"a rotation context"``, ``"an invariant context"``."""
    name = environment_name(environment)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name} context"


def context_name(environment: str | None, length: int | None) -> str:
    """``"rotation context, 7 pairs"``; ``"rotation given by name"`` of a model that takes no pairs."""
    if environment is None:
        return "no context"
    return f"{environment_name(environment)} context, {pairs_words(length)}" if length else f"{active_name(environment)} given by name"


def head_name(head: str | None) -> str:
    known = HEADS.built_in.get(head or "")
    return known.title if known is not None else OTHER_HEADS.get(head or "", head or "")


def capitalised(text: str) -> str:
    """The first letter alone is changed: ``SIE`` stays."""
    return text[:1].upper() + text[1:]


def metric_name(metric: str) -> str:
    if metric.endswith("_with_identity"):
        return f"{metric_name(metric.removesuffix('_with_identity'))}, with identity"
    return metric_of(metric).title or metric


def number(value: float | None, digits: int = 3) -> str:
    """With a true minus sign; a missing one is "undefined"."""
    if value is None or math.isnan(value):
        return UNDEFINED
    written = f"{value:.{digits}f}"
    if float(written) == 0:
        written = written.lstrip("-")
    return written.replace("-", "−")


def measured(row: ResultRow | None) -> str:
    """``0.512 ± 0.010``; degrees with one decimal; empty where there is no row. A table's caption says what ± is."""
    if row is None or math.isnan(row.mean):
        return "" if row is None else UNDEFINED
    metric, around = metric_of(row.metric), deviation(row)
    return f"{number(row.mean, metric.digits)}{'' if around is None else f' ± {number(around, metric.digits)}'}{metric.unit}"


def percent(share: float) -> str:
    """A variance share. Cross-fitting lets a factor that explains nothing fall a little below 0: that is 0 %."""
    if math.isnan(share):
        return UNDEFINED
    points = max(0.0, 100 * share)
    return f"{points:.0f}\u00a0%" if points >= 10 or round(points, 1) == 0 else f"{points:.1f}\u00a0%"


def floor_of(rows: list[ResultRow]) -> float | None:
    """The floor that these rows share; their mean, where they differ a little."""
    floors = [row.floor for row in rows if row.floor is not None and not math.isnan(row.floor)]
    return sum(floors) / len(floors) if floors else None


def listed(words: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
