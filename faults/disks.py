"""Disks that are full, read-only or gone, from the start or in the middle: one sentence, what was saved loads, and the same command goes on.

They are small file systems (:mod:`faults.mounts`). Where none can be mounted, a full disk is a limit on the size of each file (RLIMIT_FSIZE), and a
read-only or vanished one is an error that the process raises at each file operation from one on (:func:`faults.points.fail_from`).
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faults import mounts
from faults.frame import Campaign, Ended, Kind, Outcome, Scenario
from faults.material import Material, material
from faults.points import FULL, GONE, READ_ONLY
from faults.processes import Hook, Running
from faults.tasks import DISK, TASKS, Task

SHARES = {
    "training": 14, "training, workers": 8, "rendering": 4, "rendering, workers": 5, "rendering, folder": 3, "packing": 3, "packing, workers": 4,
    "evaluating": 7, "comparing": 4, "embedding": 3, "embedding, parquet": 2, "exporting": 2, "exporting, pt2": 1,
}  # fmt: skip
HOW = ("full", "full", "full", "read-only", "read-only from the start", "gone")
ROOM = 1 << 28
# What a sentence says: what is kept or how to go on, and what to do.
KEPT = re.compile(r"kept|keeps|whole|resume|same command|again")
HELPS = re.compile(r"free |choose|change its permissions|check the (?:path|disk)|another")
NEEDED = re.compile(r"\d[\d,.]* ?(?:bytes|B|KiB|MiB|GiB|TiB)\b")


@dataclass(frozen=True)
class Plan:
    task: Task
    how: str
    share: float

    @property
    def name(self) -> str:
        if self.how == "full":
            return f"{self.task.name}: a disk for {self.share:.0%} of what it writes"
        return f"{self.task.name}: a disk that is {self.how}{'' if 'start' in self.how else f' after {self.share:.0%} of its time'}"


def plans(seed: int) -> list[Plan]:
    drawn = np.random.default_rng([seed, 60])
    names = [name for name, count in SHARES.items() for _ in range(count)]
    return [
        Plan(TASKS[names[place]], HOW[number % len(HOW)], float(drawn.uniform(0.02, 0.9)))
        for number, place in enumerate(drawn.permutation(len(names)))
    ]


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    campaign.note("disks", by="small file systems in memory" if mounts.may_mount() else "RLIMIT_FSIZE, and errors of file operations")
    planned = plans(campaign.seed)[:count]
    with material(campaign, [plan.task for plan in planned]) as made:
        yield (Scenario(f"{number + 1} {plan.name}", partial(tried, plan, made)) for number, plan in enumerate(planned))


def tried(plan: Plan, made: Material, folder: Path) -> Outcome:
    task, undisturbed = plan.task, made.undisturbed(plan.task)
    disk, said = folder / DISK, folder / "said.txt"
    try:
        ended, met = _disturbed(plan, folder, made)
        if (untidy := ended.untidy) is not None:
            return untidy
        if ended.code == 0 and not met:
            # It fitted, or was done before.
            difference = task.difference(folder, undisturbed.folder)
            return Outcome("held", "it fitted") if difference is None else Outcome("silent", difference)
        if ended.code != 0 and (fault := judged(ended, plan.how)) is not None:
            return fault
        if (damaged := unreadable(disk)) is not None:
            return Outcome("lost", f"{damaged} does not load")
        again = said.with_name("again.txt")
        finished = made.warm.start(goes_on_by(task, folder, made), folder, again).wait()
        if (untidy := finished.untidy) is not None:
            return untidy
        if finished.code != 0:
            return Outcome("lost", f"it does not go on ({finished.code}): {finished.sentence or finished.said[-300:]}")
        difference = task.difference(folder, undisturbed.folder)
        if difference is not None:
            return Outcome("lost" if difference.endswith("is missing") else "silent", difference)
        return Outcome("held", ended.sentence or "")
    finally:
        mounts.unmount_all(folder)


def _disturbed(plan: Plan, folder: Path, made: Material) -> tuple[Ended, bool]:
    """How the command ended, and whether the fault came while it ran; the disk is in order again."""
    task, undisturbed = plan.task, made.undisturbed(plan.task)
    disk, said, spare = folder / DISK, folder / "said.txt", folder / "spare"
    if not mounts.may_mount():
        return _without_mounts(plan, folder, made)
    if plan.how == "gone":
        # What is seen once it is gone: an empty folder that nobody may write to.
        mounts.mount(disk, 4096)
        mounts.read_only(disk)
    brought = sum(path.stat().st_size for name in task.brings for path in (made.base / name).rglob("*") if path.is_file())
    mounts.mount(disk, ROOM)
    mounts.bind(disk, spare)
    task.prepare(folder, made.base)
    if plan.how == "full":
        written = max(0, undisturbed.bytes - brought)
        mounts.resize(disk, _used(disk) + max(8192, int(plan.share * written)))
    elif plan.how == "read-only from the start":
        mounts.read_only(disk)
    running = made.warm.start(task.command(made.base), folder, said)
    met = True
    if plan.how in ("read-only", "gone"):
        met = _later(plan, running, disk, undisturbed.seconds * plan.share)
    ended = running.wait()
    if plan.how == "gone" and met:
        mounts.bind(spare, disk)
    else:
        mounts.resize(disk, ROOM)
    return ended, met


def _later(plan: Plan, running: Running, disk: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while running.poll() is None:
        if time.monotonic() >= until:
            if plan.how == "gone":
                mounts.vanish(disk)
                return True
            if mounts.read_only(disk):
                return True
        time.sleep(0.01)
    return False


def _without_mounts(plan: Plan, folder: Path, made: Material) -> tuple[Ended, bool]:
    task, undisturbed = plan.task, made.undisturbed(plan.task)
    task.prepare(folder, made.base)
    hook: Hook
    if plan.how == "full":
        largest = max((path.stat().st_size for path in (undisturbed.folder / DISK).rglob("*") if path.is_file()), default=0)
        hook = ("faults.disks:limit_files", {"size": int(plan.share * largest)})
    else:
        number = 0 if "start" in plan.how else int(plan.share * len(undisturbed.operations))
        hook = (
            "faults.points:fail_from",
            {"folder": str(folder / DISK), "number": number, "code": GONE if plan.how == "gone" else READ_ONLY},
        )
    ended = made.warm.start(task.command(made.base), folder, folder / "said.txt", [hook]).wait()
    return ended, ended.code != 0


def limit_files(size: int) -> None:
    """A hook: no file may become larger, as on a disk that is full (the reason is another: EFBIG)."""
    import resource

    assert FULL
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def judged(ended: Ended, how: str) -> Outcome | None:
    """What is wrong with how a command ended on a disk that it could not write to; None where nothing is."""
    if ended.code != 2:
        return Outcome("traceback", f"exit code {ended.code}: {ended.said[-300:]}")
    lines = [line for line in ended.said.splitlines() if line.startswith("contextssl: error:")]
    if len(lines) != 1:
        return Outcome("traceback", f"{len(lines)} sentences: {ended.said[-300:]}")
    wanted = {"what is kept": KEPT, "what helps": HELPS, **({"how much is needed": NEEDED} if how == "full" else {})}
    if missing := [what for what, sign in wanted.items() if not sign.search(lines[0])]:
        return Outcome("traceback", f"the sentence does not say {' and '.join(missing)}: {lines[0]}")
    return None


def unreadable(disk: Path) -> str | None:
    """The name of a checkpoint that does not load; None where all do."""
    from contextssl import checkpoints

    for path in disk.rglob("*.ckpt"):
        if not path.name.startswith("."):
            try:
                checkpoints.read(path)
            except Exception:
                return path.name
    return None


def goes_on_by(task: Task, folder: Path, made: Material) -> list[str]:
    """The command that goes on where there is room again."""
    run = folder / DISK / "run"
    if task.trains and any((run / "checkpoints").glob("[!.]*.ckpt")):
        return ["train", f"resume={DISK}/run"]
    return task.command(made.base)


def _used(disk: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(disk).used
    return 0


KIND = Kind("disks", sum(SHARES.values()), "disks that are full, read-only or gone", scenarios)
