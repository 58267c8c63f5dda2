"""Two commands at once in one place: each ends as if alone, waits, or is refused in one sentence; what both made is what one makes."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faults.frame import Campaign, Ended, Kind, Outcome, Scenario
from faults.material import Material, material
from faults.tasks import DISK, TASKS, Task

FULL = 50
# Of the second command: the same words; a run that a first resumes is resumed; another command on what the first changes.
SAME = (
    "training", "rendering", "rendering, workers", "rendering, folder", "packing", "packing, workers", "evaluating", "comparing", "embedding",
    "embedding, parquet", "exporting", "exporting, pt2", "reporting",
)  # fmt: skip
PAIRS: tuple[tuple[str, str], ...] = (
    *((name, name) for name in SAME),
    ("resuming", "resuming"),
    ("resuming", "resuming"),
    ("evaluating", "reporting"),
    ("reporting", "evaluating"),
)
# The run that is stopped and then resumed.
RESUMED = "training, workers"
REFUSED = "another process is"
# What a command takes to come to its lock.
OVERLAP_SECONDS = 3.0


@dataclass(frozen=True)
class Plan:
    first: str
    second: str
    share: float

    @property
    def tasks(self) -> tuple[str, ...]:
        return (RESUMED, RESUMED) if self.first == "resuming" else (self.first, self.second)

    @property
    def name(self) -> str:
        return f"{self.first} and {self.second}, {self.share:.0%} of its time later"


def plans(seed: int) -> list[Plan]:
    drawn = np.random.default_rng([seed, 50])
    order = itertools.chain.from_iterable(drawn.permutation(len(PAIRS)) for _ in range(-(-FULL // len(PAIRS))))
    made = []
    for place in itertools.islice(order, FULL):
        first, second = PAIRS[place]
        # Half of them start together.
        made.append(Plan(first, second, 0.0 if drawn.random() < 0.5 else float(drawn.uniform(0.05, 0.9))))
    return made


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    planned = plans(campaign.seed)[:count]
    with material(campaign, [TASKS[name] for plan in planned for name in plan.tasks]) as made:
        yield (Scenario(f"{number + 1} {plan.name}", partial(tried, plan, made)) for number, plan in enumerate(planned))


def tried(plan: Plan, made: Material, folder: Path) -> Outcome:
    if plan.first == "resuming":
        return _resumed_twice(plan, folder, made)
    tasks = [TASKS[name] for name in plan.tasks]
    tasks[0].prepare(folder, made.base)
    words = [task.command(made.base) for task in tasks]
    return _both(plan, tasks, words, folder, made)


def _resumed_twice(plan: Plan, folder: Path, made: Material) -> Outcome:
    """A run that was stopped, resumed twice: the second is refused while the first lives."""
    task = TASKS[RESUMED]
    task.prepare(folder, made.base)
    stop = {
        "folder": str(folder / DISK),
        "number": len(made.undisturbed(task).operations) // 3,
        "signal": 9,
        "to": str(folder / "sent.txt"),
    }
    made.warm.start(task.command(made.base), folder, folder / "stopped.txt", [("faults.points:signal_at", stop)]).wait()
    if not (folder / DISK / "run/checkpoints/last.ckpt").is_file():
        return Outcome("lost", "the run that was to be resumed has no checkpoint")
    words = ["train", f"resume={DISK}/run"]
    return _both(plan, [task, task], [words, words], folder, made)


def _both(plan: Plan, tasks: list[Task], words: list[list[str]], folder: Path, made: Material) -> Outcome:
    said = [folder / f"said-{number}.txt" for number in (0, 1)]
    first = made.warm.start(words[0], folder, said[0])
    time.sleep(made.undisturbed(tasks[0]).seconds * plan.share)
    second = made.warm.start(words[1], folder, said[1])
    ends = [first.wait(), second.wait()]
    for number, ended in enumerate(ends):
        if (fault := _judged(ended)) is not None:
            return Outcome(fault.verdict, f"{'first' if number == 0 else 'second'}: {fault.note}")
    if all(ended.code for ended in ends):
        return Outcome("lost", f"both were refused: {ends[0].sentence}; {ends[1].sentence}")
    # The second looks at the run's folder some seconds after it was started.
    overlapped = first.began + ends[0].seconds > second.began + OVERLAP_SECONDS
    if plan.first == "resuming" and overlapped and not any(REFUSED in ended.said or "is finished" in ended.said for ended in ends):
        return Outcome("silent", "both resumed the run")
    for number, ended in enumerate(ends):
        # What was refused is done once the other has ended; a training is there already.
        if ended.code != 0 and not tasks[number].trains:
            finished = made.warm.start(words[number], folder, folder / f"again-{number}.txt").wait()
            if (untidy := finished.untidy) is not None:
                return untidy
            if finished.code != 0:
                return Outcome("lost", f"it does not go on ({finished.code}): {finished.sentence or finished.said[-300:]}")
    return _compared(tasks, folder, made)


def _compared(tasks: list[Task], folder: Path, made: Material) -> Outcome:
    for task in tasks[:1] if tasks[0] is tasks[1] else tasks:
        other = made.undisturbed(task).folder
        if task.name in ("evaluating", "reporting") and tasks[0] is not tasks[1]:
            # Each leaves what the other does not: its own part is compared.
            shutil.rmtree(folder / "own", ignore_errors=True)
            difference = _own_part(task, folder, other)
        else:
            difference = task.difference(folder, other)
        if difference is not None:
            return Outcome("lost" if difference.endswith("is missing") else "silent", f"{task.name}: {difference}")
    return Outcome("held")


def _own_part(task: Task, folder: Path, other: Path) -> str | None:
    from faults.comparing import plain_results

    run = Path(DISK, "run")
    if task.name == "evaluating":
        same = plain_results(folder / run / "results.json") == plain_results(other / run / "results.json")
        return None if same else "results.json differs"
    return None if (folder / run / "report.html").is_file() else "report.html is missing"


def _judged(ended: Ended) -> Outcome | None:
    if (untidy := ended.untidy) is not None:
        return untidy
    if ended.code == 0:
        return None
    if ended.code != 2 or (REFUSED not in ended.said and "is not empty" not in ended.said):
        return Outcome("lost", f"exit code {ended.code}: {ended.sentence or ended.said[-300:]}")
    return None


KIND = Kind("at_once", FULL, "two commands at once in one place", scenarios)
