"""A run that torchrun, Slurm or Lightning has spread over several processes: which one this is, and what all of them have."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

# Job names under which Lightning takes a Slurm allocation for a terminal: its tasks are then no processes of one run.
INTERACTIVE_JOBS = ("bash", "interactive")
# What IBM's jsrun sets for each of its processes.
LSF_VARIABLES = ("LSB_JOBID", "LSB_DJOB_RANKFILE", "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE")


@dataclass(frozen=True)
class Launch:
    """How this process was started: whether it is the first, which writes for all of them, of how many, and the variable of the environment that says
    so; None where nothing does.
    """

    first: bool = True
    world: int = 1
    variable: str | None = None
    # Its number among them.
    rank: int = field(default=0, compare=False)


def launched() -> Launch:
    """How this process was started: by the process group, or by the environment before there is one.

    A rank (RANK, LOCAL_RANK, SLURM_PROCID) means nothing without the number of processes that it counts among: a stray one, left by a shell
    or a scheduler, makes no process one of several. The launchers are tried in Lightning's order.
    """
    if dist.is_available() and dist.is_initialized():
        return Launch(dist.get_rank() == 0, dist.get_world_size(), "WORLD_SIZE", dist.get_rank())
    if dist.is_available() and dist.is_torchelastic_launched():
        return _launch("WORLD_SIZE", "RANK")
    if "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in INTERACTIVE_JOBS:
        return _launch("SLURM_NTASKS", "SLURM_PROCID")
    if all(name in os.environ for name in LSF_VARIABLES):
        return _launch("JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK")
    if "LOCAL_RANK" in os.environ:  # a process that Lightning itself has started, or one started by hand in the same way
        return _launch("WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")
    return Launch()


def _launch(size: str, *ranks: str) -> Launch:
    world = _number(size, 1)
    # A rank that is set by itself counts over all processes: what Lightning starts has one of its machine.
    rank = _number("RANK", _number(ranks[0], 0))
    return Launch(all(_number(name, 0) == 0 for name in ranks), world, size, rank) if world > 1 else Launch()


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        return default


def is_first_process() -> bool:
    """Whether this process writes for all of them: always, where there is one."""
    return launched().first


def leave_group_at_exit() -> None:
    """Leaves the process group before the interpreter ends: threads of a group that is still there then can abort a process that has done all its
    work, and the run with it. To be called where that work is done: a process that failed must not wait for the others.
    """
    if dist.is_available() and dist.is_initialized():
        # Once, however many trainings there were.
        atexit.unregister(_leave_group)
        atexit.register(_leave_group)


def _leave_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def anywhere(flag: Tensor) -> Tensor:
    """A flag (0-dim bool) that is true in every process where it is true in any: one small exchange, which no process waits for on a GPU."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return flag
    number = flag.to(torch.int32)
    dist.all_reduce(number, op=dist.ReduceOp.MAX)
    return number > 0


def first_process_where(flag: Tensor) -> int:
    """The lowest rank whose flag (0-dim bool) is true; 0 where none is. Every process waits for the others."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return 0
    world = dist.get_world_size()
    rank = torch.where(flag, dist.get_rank(), world).to(torch.int32)
    dist.all_reduce(rank, op=dist.ReduceOp.MIN)
    return int(rank) % world


def joined(z: Tensor, shares: Sequence[int]) -> Tensor:
    """The rows of all processes one after the other, (sum of shares, …); gradients flow back to the process that each row came from.

    A loss that every process computes of all rows has, in each process, that many times its gradient: the average over processes, which is
    what data-parallel training steps by, is then the gradient of the one loss, whatever part of the weights lies before or after.

    Args:
        z: this process's rows, (its share, …).
        shares: how many rows each process has, known to all beforehand, so that none waits for it.
    """
    return _Joined.apply(z, tuple(shares))


def own_place() -> int:
    """Which of the processes of a group this one is."""
    return dist.get_rank()


def summed(part: Tensor) -> Tensor:
    """The sum over all processes of what each has. Its gradient is that of a loss that every process computes of everything: see :func:`joined`."""
    return _Summed.apply(part)


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        whole = part.detach().clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # Each process has the gradient of its part alone, and as many processes are averaged.
        return gradients[0] * dist.get_world_size()


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, shares: tuple[int, ...]) -> Tensor:
        ctx.shares = shares
        # All shares of an exchange have one size: shorter ones are padded.
        filled = F.pad(z, (0, 0) * (z.dim() - 1) + (0, max(shares) - len(z))).contiguous()
        parts = [torch.empty_like(filled) for _ in shares]
        dist.all_gather(parts, filled)
        return torch.cat([part[:share] for part, share in zip(parts, shares, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # Each row contributes to the loss of every process.
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient.split(ctx.shares)[dist.get_rank()], None
