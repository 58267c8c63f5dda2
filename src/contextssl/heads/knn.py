"""k-nearest-neighbour regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextssl.head import Head, ProbeData

if TYPE_CHECKING:
    from torch import Tensor


def _fit(data: ProbeData) -> Tensor:
    from contextssl.evaluation.neighbours import knn_means

    device = data.device
    return knn_means(data.train.to(device), data.targets.to(device), data.test.to(device), data.neighbours).cpu()


HEAD = Head(
    "knn",
    "nearest neighbours",
    "kNN",
    "k nearest neighbours, single views only",
    "mean over the k nearest training views by cosine similarity; ties for the last place share it",
    fit=_fit,
    probes_pairs=False,
    place=5,
)
