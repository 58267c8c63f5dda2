"""Commands that are killed, at random times and before chosen file operations, and given again: they go on, and end as if undisturbed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faults.frame import Campaign, Ended, Kind, Outcome, Scenario
from faults.material import Material, material, wait_until_it_serves
from faults.processes import PATIENCE, PROMISED, Hook, Running, real
from faults.tasks import DISK, TASKS, Task

# How many of two hundred.
SHARES = {
    "training": 56, "training, workers": 24, "training, two processes": 16, "rendering": 10, "rendering, workers": 12, "rendering, folder": 8,
    "packing": 8, "packing, workers": 10, "evaluating": 16, "comparing": 8, "embedding": 8, "embedding, parquet": 4, "exporting": 6,
    "exporting, pt2": 4, "reporting": 2, "exploring": 8,
}  # fmt: skip
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# Every so many of the scenarios starts Python anew, as a user does.
REAL = 12
# After how many tries a process that always ended before the signal came is judged as it ended.
TRIES = 4


@dataclass(frozen=True)
class Kill:
    """One signal.

    Args:
        number: of the signal.
        share: of the undisturbed run's time, or of its file operations, that have passed.
        at_operation: sent by the process to itself, before a file operation.
        whole_group: sent to all processes of the command, as a terminal does, and Slurm; else to the first alone.
    """

    number: signal.Signals
    share: float
    at_operation: bool
    whole_group: bool

    @property
    def text(self) -> str:
        what = "file operations" if self.at_operation else "time"
        return f"{self.number.name}{' to all' if self.whole_group else ''} after {self.share:.0%} of its {what}"


@dataclass(frozen=True)
class Plan:
    """What is done: a task, signals one after the other, and how it is given again."""

    task: Task
    kills: tuple[Kill, ...]
    real: bool
    by_resume: bool

    @property
    def name(self) -> str:
        more = f"{', resume=' if self.by_resume else ''}{', a start of its own' if self.real else ''}"
        return f"{self.task.name}: {', then '.join(kill.text for kill in self.kills)}{more}"


def plans(seed: int) -> list[Plan]:
    """All of a campaign's, in an order of its own, so that the first few are of every sort."""
    drawn = np.random.default_rng([seed, 200])
    names = [name for name, count in SHARES.items() for _ in range(count)]
    made = []
    for number, place in enumerate(drawn.permutation(len(names))):
        task = TASKS[names[place]]
        kills = []
        for _ in range(int(drawn.integers(1, 4)) if task.trains else 1):
            at_operation = not task.serves and bool(drawn.random() < 0.5)
            number_of = SIGNALS[int(drawn.integers(len(SIGNALS)))]
            kills.append(Kill(number_of, float(drawn.random()), at_operation, not at_operation and bool(drawn.random() < 0.5)))
        by_resume = task.trains and bool(drawn.random() < 0.5)
        if by_resume:
            kills = [Kill(kill.number, kill.share, kill.at_operation, kill.whole_group) for kill in kills]
        made.append(Plan(task, tuple(kills), number % REAL == REAL - 1 and not any(kill.at_operation for kill in kills), by_resume))
    return made


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    planned = plans(campaign.seed)[:count]
    with material(campaign, [plan.task for plan in planned]) as made:
        yield (Scenario(f"{number + 1} {plan.name}", partial(tried, plan, made)) for number, plan in enumerate(planned))


def tried(plan: Plan, made: Material, folder: Path) -> Outcome:
    """Kill it as planned, give it again until it ends, and compare."""
    task, undisturbed = plan.task, made.undisturbed(plan.task)
    task.prepare(folder, made.base)
    said = folder / "said.txt"
    slowest = 0.0
    again = task.command(made.base)
    for number, kill in enumerate(plan.kills):
        ended = None
        for attempt in range(TRIES):
            said.unlink(missing_ok=True)
            running = _started(again, folder, said, plan, kill, made, undisturbed.operations)
            signalled = _disturbed(running, kill, undisturbed.seconds * kill.share / 2**attempt, task, said)
            ended = running.wait(PROMISED + 1 if signalled and not task.serves else PATIENCE)
            if signalled or number > 0:
                break
            # It ended before its signal came: once more, earlier.
            _cleared(folder, said)
            task.prepare(folder, made.base)
        assert ended is not None
        if (untidy := ended.untidy) is not None:
            return untidy
        if (late := _late(ended, kill)) is not None:
            return late
        if (odd := _odd_code(ended, kill, task)) is not None:
            return odd
        slowest = max(slowest, ended.since_signal or 0.0)
        again = _again(plan, folder, made)
    said.unlink(missing_ok=True)
    ended = _finished(again, folder, said, task, made)
    if (untidy := ended.untidy) is not None:
        return untidy
    if ended.code != (130 if task.serves else 0):
        return Outcome("lost", f"it does not go on ({ended.code}): {ended.sentence or ended.said[-300:]}")
    if (difference := task.difference(folder, undisturbed.folder)) is not None:
        lost = difference.endswith("is missing")
        return Outcome("lost" if lost else "silent", difference)
    return Outcome("held", f"ended {slowest:.1f} s after the signal")


def _started(words: list[str], folder: Path, said: Path, plan: Plan, kill: Kill, made: Material, operations: list[str]) -> Running:
    if plan.real:
        return real(words, folder, said)
    hooks: list[Hook] = []
    if kill.at_operation and operations:
        number = min(len(operations) - 1, int(kill.share * len(operations)))
        to = str(folder / "signalled.txt")
        Path(to).unlink(missing_ok=True)
        hooks = [("faults.points:signal_at", {"folder": str(folder / DISK), "number": number, "signal": int(kill.number), "to": to})]
    return made.warm.start(words, folder, said, hooks)


def _disturbed(running: Running, kill: Kill, seconds: float, task: Task, said: Path) -> bool:
    """Send the signal, or see it sent; whether it came while the command ran."""
    import time

    until = time.monotonic() + (PATIENCE if kill.at_operation else seconds)
    if task.serves and kill.share > 0.5:
        wait_until_it_serves(running, said)
        until = time.monotonic()
    sent = said.with_name("signalled.txt")
    while running.poll() is None:
        if kill.at_operation and sent.exists():
            running.signalled = time.monotonic()
            return True
        if time.monotonic() >= until:
            return running.signal(kill.number, kill.whole_group)
        time.sleep(0.005)
    return kill.at_operation and sent.exists()


def _late(ended: Ended, kill: Kill) -> Outcome | None:
    """Promised are ten seconds after SIGINT and SIGTERM; whatever else a signal ends, ends as soon."""
    if ended.since_signal is not None and ended.since_signal > PROMISED:
        return Outcome("hung", f"ended {ended.since_signal:.1f} s after {kill.number.name}")
    return None


def _odd_code(ended: Ended, kill: Kill, task: Task) -> Outcome | None:
    """The shell's code of a signal, or minus the signal; 0 where the command was done."""
    if ended.code in (0, -kill.number, 128 + kill.number):
        return None
    return Outcome("lost", f"exit code {ended.code} after {kill.number.name}: {ended.sentence or ended.said[-300:]}")


def _again(plan: Plan, folder: Path, made: Material) -> list[str]:
    """What is given to go on: the same command while there is no checkpoint, where the run has not begun, else the run by its name."""
    run = folder / DISK / "run"
    if not plan.task.trains or not (run / "settings.json").is_file():
        return plan.task.command(made.base)
    if plan.by_resume or any((run / "checkpoints").glob("[!.]*.ckpt")):
        return ["train", f"resume={DISK}/run"]
    return plan.task.command(made.base)


def _finished(words: list[str], folder: Path, said: Path, task: Task, made: Material) -> Ended:
    running = made.warm.start(words, folder, said)
    if task.serves:
        wait_until_it_serves(running, said)
        running.signal(signal.SIGINT)
    return running.wait()


def _cleared(folder: Path, said: Path) -> None:
    import shutil

    shutil.rmtree(folder / DISK, ignore_errors=True)
    said.unlink(missing_ok=True)


KIND = Kind("kills", sum(SHARES.values()), "commands are killed and given again", scenarios)
