"""Thousands of steps of training, in which a process's memory, file descriptors, threads, processes and /dev/shm are watched: none of them grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faults.frame import Campaign, Ended, Kind, Outcome, Scenario
from faults.material import Material, material
from faults.processes import Running, members
from faults.tasks import DISK, TASKS, TRAINED, Task

# Steps of one training.
FULL = 10_000
# Sixteen items, four pairs a batch, as many of each item in an epoch: the most that a batch of four takes.
PAIRS_PER_ITEM, STEPS_AN_EPOCH = 4, 16
# Epochs between two validations: most of the time is that of steps and checkpoints.
VALIDATED = 25
COUNTED = ("memory", "descriptors", "threads", "processes", "shm")
# What is between the first samples and the last and is no growth: MiB of memory over a whole training, and none of the others.
ALLOWED = {"memory": 24.0, "shm": 0.5}
# What is watched: from that share of its steps on, in at least so many samples.
SETTLED, LEAST = 0.2, 10


def scenarios_of(steps: int, made: Material, campaign: Campaign) -> Iterator[Scenario]:
    """One training; each thing that is watched is one of the scenarios, and they share what was seen."""
    seen: list[tuple[Ended, dict[str, list[float]], int]] = []

    def watched(folder: Path) -> tuple[Ended, dict[str, list[float]], int]:
        if not seen:
            seen.append(train(steps, folder, made))
            ended, samples, done = seen[0]
            growth = {name: [round(value, 1) for value in edges(values)] for name, values in samples.items()}
            campaign.note("long_run", steps=done, samples=len(samples["memory"]), seconds=round(ended.seconds), from_to=growth)
        return seen[0]

    for name in COUNTED:

        def judge(folder: Path, name: str = name) -> Outcome:
            ended, samples, done = watched(folder)
            if (untidy := ended.untidy) is not None:
                return untidy
            if ended.code != 0 or done < steps:
                return Outcome("lost", f"ended with {ended.code} after {done} steps: {ended.said[-300:]}")
            return judged(name, samples[name])

        yield Scenario(f"{name} over {steps:,} steps", judge)


def judged(name: str, samples: list[float]) -> Outcome:
    first, last = edges(samples)
    grown = last - first
    text = f"{first:.1f} to {last:.1f}{' MiB' if name in ALLOWED else ''}"
    return Outcome("held" if grown <= ALLOWED.get(name, 0.5) else "lost", text if grown <= ALLOWED.get(name, 0.5) else f"grows: {text}")


def edges(samples: list[float]) -> tuple[float, float]:
    """The least of the first fifth and of the last: what grows grows there too, and what comes and goes does not count. Infinite where there are too
    few to say.
    """
    if len(samples) < LEAST:
        return 0.0, float("inf")
    part = len(samples) // 5
    return min(samples[:part]), min(samples[-part:])


def train(steps: int, folder: Path, made: Material) -> tuple[Ended, dict[str, list[float]], int]:
    """How it ended, what was sampled of it once it had settled, and the last step that it logged."""
    epochs = max(2, -(-steps // STEPS_AN_EPOCH))
    words = (
        f"train {TRAINED} epochs={epochs} pairs_per_item={PAIRS_PER_ITEM} method=byol run_dir={DISK}/run devices=1 workers=2 save_minutes=0.1 "
        f"log_interval={VALIDATED}"
    )
    words = words.replace("log_every_steps=1", f"log_every_steps={max(1, steps // 2000)}")
    task = Task("long", words, "run")
    task.prepare(folder, made.base)
    running = made.warm.start(task.command(made.base), folder, folder / "said.txt")
    samples: dict[str, list[float]] = {name: [] for name in COUNTED}
    while running.poll() is None:
        # What comes after the last step is no training.
        if SETTLED * steps <= last_step(folder / DISK / "run/metrics.csv") < epochs * STEPS_AN_EPOCH - 2 * max(1, steps // 2000):
            for name, value in sample(running).items():
                samples[name].append(value)
        time.sleep(min(0.5, steps / 4000))
    ended = running.wait()
    return ended, samples, last_step(folder / DISK / "run/metrics.csv") + 1


def last_step(path: Path) -> int:
    """Of the last whole line that was logged, -1 where there is none."""
    with suppress(OSError, ValueError, IndexError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return int(file.read().rsplit(b"\n", 2)[-2].split(b",")[0])
    return -1


def sample(running: Running) -> dict[str, float]:
    """Of all processes of a command together; memory is what they have for themselves, so that what is shared counts once."""
    found = dict.fromkeys(COUNTED, 0.0)
    for pid in members(running.pid):
        with suppress(OSError, ValueError):
            place = Path("/proc", str(pid))
            found["memory"] += _kib(place / "smaps_rollup", ("Private_Clean:", "Private_Dirty:", "Swap:")) / 1024
            found["descriptors"] += sum(1 for _ in (place / "fd").iterdir())
            found["threads"] += sum(1 for _ in (place / "task").iterdir())
            found["processes"] += 1
    with suppress(OSError):
        found["shm"] = sum(path.stat().st_size for path in Path("/dev/shm").iterdir() if path.is_file()) / 2**20
    return found


def _kib(path: Path, names: tuple[str, ...]) -> float:
    lines = path.read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(names))


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    # Of its undisturbed run only the data are needed.
    with material(campaign, [TASKS["training, workers"]]) as made:
        yield scenarios_of(count, made, campaign)


KIND = Kind("long_run", FULL, "steps of one training, in which memory and what the system counts are watched", scenarios)
