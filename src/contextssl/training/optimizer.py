"""The optimiser of a run: Adam or AdamW, its state kept whole by every process, or by each for its share of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

KINDS: dict[str, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def made_optimizer(parameters: Sequence[nn.Parameter], kind: str, shared: bool, **options: Any) -> torch.optim.Optimizer:
    """An optimiser.

    Args:
        kind: ``"adam"`` or ``"adamw"``.
        shared: whether each process keeps the state of its share of the weights alone, steps those, and sends them to the others: stage 1 of ZeRO
            (Rajbhandari et al., 2020). Its checkpoints are those of one process.
        options: of the optimiser.
    """
    if not shared:
        return KINDS[kind](parameters, **options)
    # It loads much of torch.distributed.
    from torch.distributed.optim import ZeroRedundancyOptimizer

    return ZeroRedundancyOptimizer(parameters, optimizer_class=KINDS[kind], **options)


def computing(optimizer: Any) -> Any:
    """The optimiser that computes a step: where the state is shared, the one within."""
    return getattr(optimizer, "optim", optimizer)
