"""Batches for Lightning: a loader that, after a resume, continues with the next batch."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch
from contextssl.errors import ContextSSLError
from contextssl.system.interruptions import ENDING, WARNING


def _begin_worker(_: int) -> None:
    # Ctrl-C reaches every process of a terminal, Slurm's signals every process of a job; the parent decides when the workers end.
    for number in (*ENDING, *WARNING):
        signal.signal(number, signal.SIG_IGN)


class PairBatches(Dataset[PairBatch | ContextSSLError]):
    """Whole batches by (epoch, step); one process's share of them."""

    def __init__(self, sampler: PairSampler, rank: int, world: int) -> None:
        self.sampler, self.rank, self.world = sampler, rank, world

    def __getitem__(self, index: tuple[int, int]) -> PairBatch | ContextSSLError:
        if get_worker_info() is None:
            return self.sampler.batch(*index, self.rank, self.world)
        try:
            batch = self.sampler.batch(*index, self.rank, self.world)
        except ContextSSLError as error:
            # PyTorch would put a traceback into the message of an error that a process raises.
            return error
        # What it would do on the way to the parent: but where /dev/shm is too small that thread drops the batch, and the parent waits for ever.
        batch.share_memory()
        return batch


class EpochSteps(Sampler[tuple[int, int]]):
    """The (epoch, step) of an epoch's batches, from ``start`` on in the epoch that it was set for, from 0 on in any other."""

    def __init__(self, steps: int) -> None:
        self.steps, self.epoch, self.start = steps, 0, 0

    def set_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, step) for step in range(self.start, self.steps))

    def __len__(self) -> int:
        return self.steps


class PairLoader(DataLoader[PairBatch | ContextSSLError]):
    """Draws batches, ahead of time in ``workers`` processes. Its state is how many batches the run has consumed, over all epochs (what was drawn
    ahead does not count), as ``consumed`` says, so Lightning can resume it.
    """

    def __init__(self, sampler: PairSampler, consumed: Callable[[], int], rank: int, world: int, workers: int, pin_memory: bool) -> None:
        self.steps = EpochSteps(sampler.steps_per_epoch)
        self.consumed = consumed
        super().__init__(
            PairBatches(sampler, rank, world),
            batch_size=None,
            sampler=self.steps,
            num_workers=workers,
            pin_memory=pin_memory,
            prefetch_factor=4 if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=_begin_worker,
        )
        # Where a run was stopped between two epochs Lightning restores no state, and names the epoch only once the workers have drawn ahead.
        self.load_state_dict(self.state_dict())

    def __iter__(self) -> Iterator[PairBatch]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, ContextSSLError):
                raise batch
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {"consumed": self.consumed()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps.epoch, self.steps.start = divmod(state["consumed"], self.steps.steps)
