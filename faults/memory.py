"""Memory that runs out: an address space with little left, a GPU's (its error, raised in a chosen layer's call), /dev/shm, and workers that the
system kills. One sentence says what helps and what is kept, and the same command goes on.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from faults import mounts
from faults.disks import KEPT, goes_on_by, unreadable
from faults.frame import Campaign, Ended, Kind, Outcome, Scenario
from faults.material import Material, material
from faults.processes import Hook, Running, members
from faults.tasks import DISK, TASKS, Task

# PyTorch's own words, of a GPU that does not stand here, and of this machine.
MESSAGES = {
    "GPU": "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.64 GiB of which 1.02 GiB is free. Process 4242 has "
    "22.61 GiB memory in use. Of the allocated memory 21.5 GiB is allocated by PyTorch.",
    "cuBLAS": "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CPU": "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 68719476736 bytes. "
    "Error code 12 (Cannot allocate memory)",
    "Python": "",
}
WITH_MODEL = ("training", "training, workers", "evaluating", "comparing", "embedding", "exporting, pt2")
EVERY = (*WITH_MODEL, "rendering", "rendering, workers", "rendering, folder", "packing, workers", "exporting")
WITH_WORKERS = ("training, workers", "rendering, workers", "rendering, folder", "packing, workers")
# Of forty: how memory runs out, of which commands.
FULL = 40
HELPS = re.compile(r"batch_size|resolution|workers|train_views|free (?:some )?memory|another machine")
MEMORY = re.compile(r"memory|worker|process", re.IGNORECASE)
# MiB of address space beyond what the process has at its start.
LEAST, MOST = 4, 160


@dataclass(frozen=True)
class Plan:
    task: Task
    how: str
    amount: float

    @property
    def name(self) -> str:
        return f"{self.task.name}: {self.how}{f', {self.amount:.2f}' if self.how != 'little /dev/shm' else ''}"


def plans(seed: int) -> list[Plan]:
    drawn = np.random.default_rng([seed, 40])
    made = []
    for number in range(FULL):
        how = ("address space", "GPU", "worker killed", "CPU", "address space", "Python", "little /dev/shm", "cuBLAS")[number % 8]
        names = {"address space": EVERY, "worker killed": WITH_WORKERS, "little /dev/shm": WITH_WORKERS[:1]}.get(how, WITH_MODEL)
        made.append(Plan(TASKS[names[int(drawn.integers(len(names)))]], how, float(drawn.random())))
    return made


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    campaign.note("memory", gpu="simulated: PyTorch's error, raised in a call of a convolution")
    planned = plans(campaign.seed)[:count]
    with material(campaign, [plan.task for plan in planned]) as made:
        yield (Scenario(f"{number + 1} {plan.name}", partial(tried, plan, made)) for number, plan in enumerate(planned))


def tried(plan: Plan, made: Material, folder: Path) -> Outcome:
    task, undisturbed = plan.task, made.undisturbed(plan.task)
    task.prepare(folder, made.base)
    said = folder / "said.txt"
    hooks: list[Hook] = []
    shm = Path("/dev/shm")
    if plan.how == "address space":
        hooks = [("faults.memory:limit_memory", {"mib": LEAST + plan.amount**2 * (MOST - LEAST)})]
    elif plan.how in MESSAGES:
        hooks = [("faults.memory:fail_in_convolution", {"how": plan.how, "number": int(plan.amount * 60)})]
    elif plan.how == "little /dev/shm":
        if not mounts.may_mount():
            return Outcome("held", "not tried: nothing can be mounted here")
        mounts.mount(shm, 1 << 16)
    try:
        running = made.warm.start(task.command(made.base), folder, said, hooks)
        if plan.how == "worker killed":
            _kill_a_worker(running, undisturbed.seconds * plan.amount)
        ended = running.wait()
    finally:
        if plan.how == "little /dev/shm" and mounts.may_mount():
            mounts.vanish(shm)
    if (untidy := ended.untidy) is not None:
        return untidy
    if ended.code != 0 and (fault := judged(ended)) is not None:
        return fault
    if (damaged := unreadable(folder / DISK)) is not None:
        return Outcome("lost", f"{damaged} does not load")
    if ended.code != 0:
        again = folder / "again.txt"
        finished = made.warm.start(goes_on_by(task, folder, made), folder, again).wait()
        if (untidy := finished.untidy) is not None:
            return untidy
        if finished.code != 0:
            return Outcome("lost", f"it does not go on ({finished.code}): {finished.sentence or finished.said[-300:]}")
    if (difference := task.difference(folder, undisturbed.folder)) is not None:
        return Outcome("lost" if difference.endswith("is missing") else "silent", difference)
    return Outcome("held", ended.sentence or "it was enough")


def judged(ended: Ended) -> Outcome | None:
    """What is wrong with how a command ended that had no memory; None where nothing is."""
    if ended.code != 2:
        return Outcome("traceback", f"exit code {ended.code}: {ended.said[-300:]}")
    lines = [line for line in ended.said.splitlines() if line.startswith("contextssl: error:")]
    if len(lines) != 1:
        return Outcome("traceback", f"{len(lines)} sentences: {ended.said[-300:]}")
    wanted = {"that it is memory": MEMORY, "what is kept": KEPT, "what helps": HELPS}
    if missing := [what for what, sign in wanted.items() if not sign.search(lines[0])]:
        return Outcome("traceback", f"the sentence does not say {' and '.join(missing)}: {lines[0]}")
    return None


def _kill_a_worker(running: Running, seconds: float) -> None:
    """SIGKILL for one of the processes that a command has started, as the system does that has no memory; where there is none then, later."""
    until = running.began + seconds
    while running.poll() is None:
        workers = [pid for pid in members(running.pid) if pid != running.pid]
        if time.monotonic() >= until and workers:
            os.kill(workers[-1], signal.SIGKILL)
            return
        time.sleep(0.01)


def limit_memory(mib: float) -> None:
    """A hook: so much more address space than there is now."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + int(mib * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def fail_in_convolution(how: str, number: int) -> None:
    """A hook: that call of a convolution in this process raises what PyTorch does without memory."""
    import torch

    kinds: dict[str, Callable[[str], BaseException]] = {"GPU": torch.OutOfMemoryError, "Python": lambda _: MemoryError()}
    original, count, owner = torch.nn.Conv2d.forward, 0, os.getpid()

    def forward(self: torch.nn.Conv2d, *arguments: Any) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == number + 1 and os.getpid() == owner:
            raise kinds.get(how, RuntimeError)(MESSAGES[how])
        return original(self, *arguments)

    setattr(torch.nn.Conv2d, "forward", forward)  # noqa: B010 (by its class, so that every layer has it)


KIND = Kind("memory", FULL, "memory that runs out, also a GPU's (simulated), and workers that are killed", scenarios)
