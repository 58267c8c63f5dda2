"""A batch that several processes share, seen whole: so that a loss is that of the whole batch, however many there are.

Every process encodes its own share, which is nearly all of the work; what comes out of it, a few hundred numbers per view, is joined, and from
there on every process computes the one loss of the whole batch, or its own rows of it. Its means, counts, variances and negatives are then
those of one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contextssl.data.pairs import PairBatch
from contextssl.system.distributed import joined, own_place, summed

# What stays in the process that made it: only an encoder takes it.
VIEWS = ("source", "target")


@dataclass(frozen=True)
class WholeBatch:
    """Joins what each process has of a batch.

    Args:
        shares: how many pairs each process has, in order; one process has them all.
        cuts_sequences: whether the shares cut sequences in two, so that a context has to be joined before it is used.
    """

    shares: Sequence[int] = (0,)
    cuts_sequences: bool = False

    def rows(self, z: Tensor) -> Tensor:
        """(this process's pairs, …) → (all pairs, …), with gradients; floats, which travel as float32, so that gradients are added in it."""
        return z if len(self.shares) == 1 else joined(z.float(), self.shares).to(z.dtype)

    def own(self, rows: int) -> slice:
        """Which of all ``rows``, as many of each pair, are of this process's pairs."""
        if len(self.shares) == 1:
            return slice(0, rows)
        of_pair, first = rows // sum(self.shares), sum(self.shares[: own_place()])
        return slice(of_pair * first, of_pair * (first + self.shares[own_place()]))

    def total(self, part: Tensor) -> Tensor:
        """The sum over processes of what each has; with gradients, as of a loss that each of them computed of all rows."""
        return part if len(self.shares) == 1 else summed(part)

    def batch(self, batch: PairBatch) -> PairBatch:
        """All pairs, but of the views this process's own alone: actions, latents, environments, items, labels are joined in one exchange."""
        if len(self.shares) == 1:
            return batch
        there = {name: value for name, value in batch.tensors().items() if name not in VIEWS}
        # Side by side as float64, which holds float32 and every index exactly.
        parts = [value.reshape(len(batch), -1).double() for value in there.values()]
        with torch.no_grad():
            whole = joined(torch.cat(parts, dim=1), self.shares).split([part.shape[1] for part in parts], dim=1)
        joint = zip(there.items(), whole, strict=True)
        return replace(batch, **{name: part.reshape(len(part), *value.shape[1:]).to(value.dtype) for (name, value), part in joint})


ALONE = WholeBatch()
