"""From predictions to result rows: the same metrics for every protocol and head, gathered over contexts."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation import item_sums, metrics
from contextssl.evaluation.bootstrap import Resampled, error_of
from contextssl.evaluation.contexts import ContextPoint
from contextssl.factors import FactorSpace
from contextssl.records.results import ResultRow


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
        """One number. ``about`` are further fields of :class:`~contextssl.records.results.ResultRow`.

        Those under a context point are of the embedding unless another representation is named, and rows that differ in the draw alone become one.

        Args:
            resampled: the number over draws of the evaluated items.
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
        """R² (pooled, and a dimension), and for rotations the mean angle, of the named factors: their blocks lie side by side in both.

        A factor that does not vary has no R²: its rows are there without a number, and a warning says so once.

        Args:
            items: of which item each row is.
        """
        start = 0
        for name in names:
            factor = self.factors[name]
            block = slice(start, start + factor.width)
            start += factor.width
            predicted, true = prediction[:, block].detach().cpu(), target[:, block].cpu()
            count = len(true)
            pooled, floor = float(metrics.r2_pooled(predicted, true)), float(metrics.r2_pooled_floor(true))
            each = float(metrics.r2(predicted, true))
            if bool((true == true[0]).all()):
                # Components that are constant, each at a value of its own, vary about their one mean: a number, but of nothing.
                pooled = floor = math.nan
            if math.isnan(each) or math.isnan(pooled):
                self._warn_constant(name, true)
            shared = {"point": point, "factor": name, "count": count, **about}
            pooled_draws, each_draws = item_sums.resampled_r2(predicted, true, items)
            self.add("r2_pooled", pooled, floor=floor, resampled=pooled_draws, **shared)  # type: ignore[arg-type]
            self.add("r2", each, floor=0.0, resampled=each_draws, **shared)  # type: ignore[arg-type]
            if factor.relation == "rotation":
                angles = metrics.rotation_angles(predicted, true)
                floor = float(metrics.rotation_angle_floor(true))
                draws = item_sums.resampled_mean(angles, items)
                self.add("angle_deg", float(angles.mean()), floor=floor, resampled=draws, **shared)  # type: ignore[arg-type]

    def add_class(
        self,
        prediction: Int[Tensor, " n"],
        labels: Int[Tensor, " n"],
        point: ContextPoint | None,
        *,
        items: Int[Tensor, " n"],
        **about: object,
    ) -> None:
        """Accuracy and balanced accuracy; their floors are the commonest class, and one class of those that occur."""
        prediction, labels = prediction.cpu(), labels.cpu()
        counts = labels.bincount()
        common, present = float(counts.max() / counts.sum()), int((counts > 0).sum())
        shared = {"point": point, "factor": "class", "count": len(labels), **about}
        accuracy, balanced = float(metrics.accuracy(prediction, labels)), float(metrics.balanced_accuracy(prediction, labels))
        accuracy_draws, balanced_draws = item_sums.resampled_classes(prediction, labels, items)
        self.add("accuracy", accuracy, floor=common, resampled=accuracy_draws, **shared)  # type: ignore[arg-type]
        self.add("balanced_accuracy", balanced, floor=1 / present, resampled=balanced_draws, **shared)  # type: ignore[arg-type]

    def rows(self) -> list[ResultRow]:
        """A row a number: mean over contexts, their standard deviation (n - 1 in the denominator; none for one), how many, mean floor, and
        the mean's standard error by the choice of items."""
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
        if name in self._warned:
            return
        self._warned.add(name)
        still = [part for part, values in zip(self.factors[name].components, true.T, strict=True) if bool((values == values[0]).all())]
        warnings.warn(
            f"R² of {name} is undefined on the {self.split} split and left empty: {' and '.join(still) or 'it'} does not vary there",
            UserWarning,
            stacklevel=4,
        )
