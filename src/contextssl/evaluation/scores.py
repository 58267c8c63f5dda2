"""From predictions to result rows: the same metrics for every protocol and head, gathered over contexts."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation import metrics
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.results import ResultRow
from contextssl.factors import FactorSpace


@dataclass
class Scores:
    """Numbers of one protocol and split, a context at a time; :meth:`rows` gives their means and deviations over contexts.

    Args:
        protocol, split: of every row.
        factors: what the targets are called.
    """

    protocol: str
    split: str
    factors: FactorSpace
    _values: dict[ResultRow, tuple[list[float], list[float]]] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def add(self, metric: str, value: float, *, floor: float | None = None, point: ContextPoint | None = None, **about: object) -> None:
        """One number. ``about`` are further fields of :class:`~contextssl.evaluation.results.ResultRow`.

        Those under a context point are of the embedding unless another representation is named, and rows that differ in the draw alone become one.
        """
        row = ResultRow(self.protocol, metric, math.nan, split=self.split, **about)  # type: ignore[arg-type]
        if point is not None:
            kind = row.representation or "embedding"
            row = replace(row, environment=point.environment or row.environment, length=point.length, representation=kind)
        # NaN differs from itself; the key needs a number.
        values, floors = self._values.setdefault(replace(row, mean=0.0), ([], []))
        values.append(value)
        if floor is not None:
            floors.append(floor)

    def add_factors(
        self,
        prediction: Float[Tensor, "n A"],
        target: Float[Tensor, "n A"],
        names: tuple[str, ...],
        point: ContextPoint | None,
        **about: object,
    ) -> None:
        """R² (pooled, and a dimension), and for rotations the mean angle, of the named factors: their blocks lie side by side in both.

        A factor that does not vary has no R²: its rows are there without a number, and a warning says so once.
        """
        start = 0
        for name in names:
            factor = self.factors[name]
            block = slice(start, start + factor.width)
            start += factor.width
            predicted, true = prediction[:, block].cpu(), target[:, block].cpu()
            count = len(true)
            pooled, floor = float(metrics.r2_pooled(predicted, true)), float(metrics.r2_pooled_floor(true))
            each = float(metrics.r2(predicted, true))
            if bool((true == true[0]).all()):
                # Components that are constant, each at a value of its own, vary about their one mean: a number, but of nothing.
                pooled = floor = math.nan
            if math.isnan(each) or math.isnan(pooled):
                self._warn_constant(name, true)
            self.add("r2_pooled", pooled, floor=floor, point=point, factor=name, count=count, **about)
            self.add("r2", each, floor=0.0, point=point, factor=name, count=count, **about)
            if factor.relation == "rotation":
                angle = float(metrics.rotation_angles(predicted, true).mean())
                floor = float(metrics.rotation_angle_floor(true))
                self.add("angle_deg", angle, floor=floor, point=point, factor=name, count=count, **about)

    def add_class(self, prediction: Int[Tensor, " n"], labels: Int[Tensor, " n"], point: ContextPoint | None, **about: object) -> None:
        """Accuracy and balanced accuracy; their floors are the commonest class, and one class of those that occur."""
        prediction, labels = prediction.cpu(), labels.cpu()
        counts = labels.bincount()
        common, present = float(counts.max() / counts.sum()), int((counts > 0).sum())
        shared = {"point": point, "factor": "class", "count": len(labels), **about}
        self.add("accuracy", float(metrics.accuracy(prediction, labels)), floor=common, **shared)  # type: ignore[arg-type]
        self.add("balanced_accuracy", float(metrics.balanced_accuracy(prediction, labels)), floor=1 / present, **shared)  # type: ignore[arg-type]

    def rows(self) -> list[ResultRow]:
        """A row a number: mean over contexts, their standard deviation (n - 1 in the denominator; none for one), how many, mean floor."""
        rows = []
        for row, (values, floors) in self._values.items():
            series = torch.tensor(values, dtype=torch.float64)
            rows.append(
                replace(
                    row,
                    mean=float(series.mean()),
                    std=float(series.std(correction=1)) if len(values) > 1 else None,
                    n=len(values),
                    floor=sum(floors) / len(floors) if floors else None,
                )
            )
        return rows

    def _warn_constant(self, name: str, true: Tensor) -> None:
        if name in self._warned:
            return
        self._warned.add(name)
        still = [part for part, values in zip(self.factors[name].components, true.T, strict=True) if bool((values == values[0]).all())]
        warnings.warn(
            f"R² of {name} is undefined on the {self.split} split and left empty: {' and '.join(still) or 'it'} does not vary there",
            UserWarning,
            stacklevel=4,
        )
