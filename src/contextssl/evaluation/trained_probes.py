"""Training the probe heads that are trained: linear maps and MLPs, on all versions of the inputs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from contextssl.evaluation.train_heads import class_loss, regression_loss, train_heads
from contextssl.head import Head

T = TypeVar("T")
CLASS = "class"
# Versions of the inputs that are trained on together may take this much memory.
STACK_BYTES = 2 << 30


@dataclass(frozen=True)
class Target:
    """What a head regresses or classifies: a factor of t numbers, or ``"class"`` of so many classes. ``values`` are those of the training rows,
    (n, t) float or (n,) int64 classes, or a function from a batch's rows to those of the batch.
    """

    name: str
    values: Tensor | Callable[[Tensor], Tensor]
    width: int


@dataclass(frozen=True)
class HeadTraining:
    """How heads are trained, by Adam. Where ``fresh``, an epoch is a new random pair of each item, not every training row."""

    epochs: int
    learning_rate: float = 1e-3
    batch_size: int = 512
    seed: int = 0
    fresh: bool = False


def trained_heads(heads: Sequence[Head]) -> list[Head]:
    """Those that are trained by :func:`train_probes`."""
    return [head for head in heads if head.hidden is not None]


def train_probes(
    head: Head,
    targets: Sequence[Target],
    train_inputs: Callable[[Int[Tensor, " b"]], Tensor],
    test_inputs: Callable[[Int[Tensor, " b"]], Tensor],
    *,
    count: int,
    width: int,
    test_rows: int,
    training: HeadTraining,
    device: torch.device,
    rows: int | None = None,
    batches: Callable[[int], Iterable[Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Train ``count`` heads for each target and predict the test rows: (count, test_rows, t) by the target's name, on the CPU.

    Linear heads of several targets are the columns of one map, which is the same as training each alone; MLPs share nothing.

    Args:
        train_inputs, test_inputs: row numbers on ``device`` → inputs of every head (count, b, width).
        rows: how many there are to train on; default: as many as the targets hold.
        batches: of each epoch's rows; default: every row once.
    """
    hidden = head.hidden or ()
    found = {}
    for together in [list(targets)] if not hidden else [[target] for target in targets]:
        ends = torch.tensor([target.width for target in together]).cumsum(0).tolist()
        columns = [slice(end - target.width, end) for end, target in zip(ends, together, strict=True)]
        trained = train_heads(
            train_inputs,
            rows if rows is not None else len(together[0].values),  # type: ignore[arg-type]
            _joint_loss(together, columns, device),
            count=count,
            widths=(width, *hidden, ends[-1]),
            epochs=training.epochs,
            learning_rate=training.learning_rate,
            batch_size=training.batch_size,
            seed=training.seed,
            device=device,
            batches=batches,
        )
        output = trained.predict(test_inputs, test_rows)
        found.update({target.name: output[..., column] for target, column in zip(together, columns, strict=True)})
    return found


def _joint_loss(targets: Sequence[Target], columns: Sequence[slice], device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The sum of the losses of targets that are concatenated in the output."""
    held = [target.values.to(device) if isinstance(target.values, Tensor) else target.values for target in targets]

    def loss(output: Tensor, rows: Tensor) -> Tensor:
        terms = []
        for target, column, values in zip(targets, columns, held, strict=True):
            each = torch.arange(len(rows), device=device)
            wanted, index = (values, rows) if isinstance(values, Tensor) else (values(rows).to(device), each)
            terms.append((class_loss if target.name == CLASS else regression_loss)(output[..., column], index, wanted))
        return torch.stack(terms).sum()

    return loss


def stacks(conditions: int, bytes_each: int) -> list[range]:
    """Conditions in groups that are trained together, as memory allows. Heads are independent, so groups change no number."""
    size = max(1, STACK_BYTES // max(1, bytes_each))
    return [range(start, min(start + size, conditions)) for start in range(0, conditions, size)]


def together(conditions: Sequence[T], bytes_each: int) -> list[Sequence[T]]:
    """The conditions as :func:`stacks`; the first, features, by itself, since their width differs."""
    return [conditions[:1], *(conditions[1 + group.start : 1 + group.stop] for group in stacks(len(conditions) - 1, bytes_each))]
