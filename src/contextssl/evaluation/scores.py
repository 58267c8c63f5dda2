"""From predictions to result rows: the same metrics for every protocol and head, gathered over contexts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation import item_sums
from contextssl.evaluation.bootstrap import Resampled, error_of
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.metrics import first_largest
from contextssl.factors import FactorSpace
from contextssl.metric import METRICS
from contextssl.records.results import ResultRow


@dataclass
class Probed:
    """Predictions of a factor (n, w) float, or of the class (n,) int64, the truth, and each row's item; what metrics share is computed once."""

    predicted: Tensor
    true: Tensor
    items: Int[Tensor, " n"]

    @property
    def is_constant(self) -> bool:
        return bool((self.true == self.true[0]).all())

    @cached_property
    def r2_draws(self) -> tuple[Resampled | None, Resampled | None]:
        """R² pooled, and per dimension, over draws of the items."""
        return item_sums.resampled_r2(self.predicted, self.true, self.items)

    @cached_property
    def class_draws(self) -> tuple[Resampled | None, Resampled | None]:
        """Accuracy, and balanced accuracy, over draws of the items."""
        return item_sums.resampled_classes(self.predicted, self.true, self.items)


@dataclass
class Scores:
    """Numbers of one protocol and split, added per context; :meth:`rows` gives their means and deviations over contexts."""

    protocol: str
    split: str
    factors: FactorSpace
    _values: dict[ResultRow, tuple[list[float], list[float], list[Resampled]]] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def add(
        self,
        metric: str,
        value: float,
        *,
        floor: float | None = None,
        point: ContextPoint | None = None,
        resampled: Resampled | None = None,
        **about: object,
    ) -> None:
        """One number (and over draws of the evaluated items), with further fields of :class:`~contextssl.records.results.ResultRow`.

        Those under a context point are of the embedding unless another representation is named, and rows that differ in the draw alone become one.
        """
        row = ResultRow(self.protocol, metric, math.nan, split=self.split, **about)  # type: ignore[arg-type]
        if point is not None:
            kind = row.representation or "embedding"
            row = replace(row, environment=point.environment or row.environment, length=point.length, representation=kind)
        # NaN differs from itself; the key needs a number.
        values, floors, draws = self._values.setdefault(replace(row, mean=0.0), ([], [], []))
        values.append(value)
        if floor is not None:
            floors.append(floor)
        if resampled is not None:
            draws.append(resampled)

    def _add_shared(self, of: str, probed: Probed, point: ContextPoint | None, relation: str | None, about: Mapping[str, object]) -> bool:
        """Every metric that is computed of a factor, or of the class; of no point, from features unless named. Whether one is undefined."""
        undefined = False
        if point is None:
            about = {**about, "representation": about.get("representation") or "feature"}
        for metric in METRICS.all():
            if metric.of == of and metric.score is not None and metric.relation in (None, relation):
                value, floor, draws = metric.score(probed)
                undefined |= math.isnan(value)
                self.add(metric.name, value, floor=floor, point=point, resampled=draws, count=len(probed.true), **about)
        return undefined

    def add_factors(
        self,
        prediction: Float[Tensor, "n A"],
        target: Float[Tensor, "n A"],
        names: tuple[str, ...],
        point: ContextPoint | None,
        *,
        items: Int[Tensor, " n"],
        **about: object,
    ) -> None:
        """Every metric of a factor for each of ``names``, whose blocks are concatenated in both; ``items`` has the item of each row.

        A factor that does not vary has no R²: its rows are there without a number, and a warning says so once.
        """
        widths = [self.factors[name].width for name in names]
        for name, predicted, true in zip(names, prediction.detach().cpu().split(widths, 1), target.cpu().split(widths, 1), strict=True):
            probed, factor = Probed(predicted, true, items), self.factors[name]
            if self._add_shared("factor", probed, point, factor.relation, {"factor": name, **about}) and name not in self._warned:
                self._warn_constant(name, probed.true)

    def add_class(
        self,
        prediction: Int[Tensor, " n"],
        labels: Int[Tensor, " n"],
        point: ContextPoint | None,
        *,
        items: Int[Tensor, " n"],
        **about: object,
    ) -> None:
        """Every metric of the class."""
        self._add_shared("class", Probed(prediction.cpu(), labels.cpu(), items), point, None, {"factor": "class", **about})

    def add_targets(
        self,
        outputs: Mapping[str, Float[Tensor, "n t"]],
        truth: Float[Tensor, "n A"],
        labels: Int[Tensor, " n"],
        point: ContextPoint | None,
        *,
        items: Int[Tensor, " n"],
        **about: object,
    ) -> None:
        """Every metric of the outputs by the target's name: a factor's numbers, or of ``"class"`` the classes' scores."""
        for name, output in outputs.items():
            if name == "class":
                self.add_class(first_largest(output), labels, point, items=items, **about)
            else:
                self.add_factors(output, truth[:, self.factors.slice(name)], (name,), point, items=items, **about)

    def rows(self) -> list[ResultRow]:
        """One row per number: mean over contexts, their standard deviation (n - 1 in the denominator; none for one), how many, mean floor, and
        the mean's standard error over the choice of items.
        """
        rows = []
        for row, (values, floors, draws) in self._values.items():
            series = torch.tensor(values, dtype=torch.float64)
            known = len(draws) == len(values)
            rows.append(
                replace(
                    row,
                    mean=float(series.mean()),
                    std=float(series.std(correction=1)) if len(values) > 1 else None,
                    n=len(values),
                    floor=sum(floors) / len(floors) if floors else None,
                    # At length 0 no context is given, and there is nothing to draw.
                    over="contexts" if row.length else None,
                    item_std=error_of(draws) if known else None,
                    items=draws[0].items if known else None,
                )
            )
        return rows

    def _warn_constant(self, name: str, true: Tensor) -> None:
        self._warned.add(name)
        still = [part for part, values in zip(self.factors[name].components, true.T, strict=True) if bool((values == values[0]).all())]
        warnings.warn(
            f"R² of {name} is undefined on the {self.split} split and left empty: {' and '.join(still) or 'it'} does not vary there",
            UserWarning,
            stacklevel=4,
        )
