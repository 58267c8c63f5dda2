"""A module in evaluation mode for a while, and then as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Evaluation mode within; afterwards, also on an exception, each submodule has its own flag again. Not the module's own flag for all: a part
    that its user keeps in evaluation mode (a frozen BatchNorm) would train from then on.
    """
    flags = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        module.train(flags[module])
        for part, flag in flags.items():
            part.training = flag
