"""The nearest training views: what distances see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.head import Head

if TYPE_CHECKING:
    from torch import Tensor

    from contextssl.head import ToRead


def _fit(asked: ToRead) -> Tensor:
    from contextssl.evaluation.neighbours import knn_means

    device = asked.device
    return knn_means(asked.train.to(device), asked.targets.to(device), asked.test.to(device), asked.neighbours).cpu()


HEAD = Head(
    "knn",
    "nearest neighbours",
    "kNN",
    "the mean over nearest neighbours, of single views",
    "plain mean over the k nearest training views by cosine; those that tie for the last place share it",
    fit=_fit,
    reads_pairs=False,
    place=5,
)
