"""What scenarios start from, made once in a campaign's folder: data, a trained run, and each task's undisturbed end, with how long it took and its
file operations.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from faults.frame import Campaign
from faults.processes import PATIENCE, Hook, Running, Warm, warm
from faults.tasks import DISK, EXAMPLE, RENDERED, TRAINED, Task

IMAGES = 24
# What is imported at once; each command's own imports come from its undisturbed run.
FIRST = (
    "contextssl.cli",
    "contextssl.commands.train_command",
    "contextssl.commands.evaluate_command",
    "contextssl.commands.making_commands",
    "contextssl.commands.embed_command",
    "contextssl.commands.adapt_command",
    "faults.points",
)
# What tasks read; ``images`` are written here.
BASE = {
    "store": f"data shapes out={{base}}/store {RENDERED} workers=1",
    "folder": f"data shapes out={{base}}/folder layout=folder {RENDERED} workers=1",
    "run": f"train {TRAINED} {EXAMPLE} run_dir={{base}}/run devices=1",
}


@dataclass
class Material:
    """The folder of what was made once, the process that commands are forked from, and the undisturbed ends."""

    folder: Path
    warm: Warm

    @property
    def base(self) -> Path:
        return self.folder / "base"

    def undisturbed(self, task: Task) -> Undisturbed:
        """Made where it is not there."""
        folder = self.folder / "undisturbed" / task.name
        about = folder.with_suffix(".json")
        if not about.is_file():
            self._make(task.needs)
            shutil.rmtree(folder, ignore_errors=True)
            task.prepare(folder, self.base)
            said, operations = folder.with_suffix(".said"), folder.with_suffix(".operations")
            said.unlink(missing_ok=True)
            hooks: list[Hook] = [
                ("faults.points:record", {"folder": str(folder / DISK), "to": str(operations)}),
                ("faults.material:write_modules", {"to": str(folder.with_suffix(".modules"))}),
            ]
            running = self.warm.start(task.command(self.base), folder, said, hooks)
            if task.serves:
                wait_until_it_serves(running, said)
                running.signal(signal.SIGINT)
            ended = running.wait()
            if ended.code != (130 if task.serves else 0):
                raise RuntimeError(f"the undisturbed {task.name} ended with {ended.code}: {ended.said[-2000:]}")
            about.write_text(json.dumps({"seconds": ended.seconds}))
        return Undisturbed(folder)

    def _make(self, names: Sequence[str]) -> None:
        """What tasks read, where it is not there."""
        self.base.mkdir(parents=True, exist_ok=True)
        for name in names:
            made, said = self.base / f"{name}.made", self.base / f"{name}.said"
            if made.is_file():
                continue
            shutil.rmtree(self.base / name, ignore_errors=True)
            if name == "images":
                _write_images(self.base / name)
            else:
                self._make(("store",) if name == "run" else ())
                said.unlink(missing_ok=True)
                hook: Hook = ("faults.material:write_modules", {"to": str(self.base / f"{name}.modules")})
                ended = self.warm.start(Task(name, BASE[name], name).command(self.base), self.base, said, [hook]).wait()
                if ended.code != 0:
                    raise RuntimeError(f"{BASE[name]} ended with {ended.code}: {ended.said[-2000:]}")
            made.touch()

    def modules(self) -> list[str]:
        """What the commands have loaded."""
        found = {name for path in self.folder.glob("*/*.modules") for name in json.loads(path.read_text())}
        return [*FIRST, *sorted(name for name in found if not name.startswith(("__main__", "__mp_main__", "faults.warm")))]


@dataclass(frozen=True)
class Undisturbed:
    """What a task makes by itself."""

    folder: Path

    @cached_property
    def seconds(self) -> float:
        return float(json.loads(self.folder.with_suffix(".json").read_text())["seconds"])

    @cached_property
    def operations(self) -> list[str]:
        return self.folder.with_suffix(".operations").read_text().splitlines()

    @cached_property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def wait_until_it_serves(running: Running, said: Path) -> str | None:
    """The address that the explorer prints; None where it ends before."""
    until = time.monotonic() + PATIENCE
    while running.poll() is None and time.monotonic() < until:
        if said.exists() and (found := re.search(r"http://[\w.:\[\]]+/?", said.read_text(errors="replace"))):
            return found[0]
        time.sleep(0.05)
    return None


@contextmanager
def material(campaign: Campaign, tasks: Iterable[Task]) -> Iterator[Material]:
    """What these tasks need, and their undisturbed ends; as long as the block lasts."""
    folder = campaign.work / "material"
    made = Material(folder, None)  # type: ignore[arg-type]
    wanted = [task for task in dict.fromkeys(tasks) if not (folder / "undisturbed" / f"{task.name}.json").is_file()]
    if wanted:
        with warm(made.modules()) as made.warm:
            for task in wanted:
                made.undisturbed(task)
    # Again, with all that these have imported.
    with warm(made.modules()) as made.warm:
        yield made


def write_modules(to: str) -> None:
    """A hook: at the end of the process, the names of the modules that it has loaded."""
    atexit.register(lambda: Path(to).write_text(json.dumps(sorted(sys.modules))))


def _write_images(folder: Path) -> None:
    folder.mkdir()
    drawn = np.random.default_rng(0)
    for number in range(IMAGES):
        Image.fromarray(drawn.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    lines = ["first,second,environment", *(f"{number:02d}.png,{number + 1:02d}.png,color" for number in range(0, 6, 2))]
    (folder / "pairs.csv").write_text("\n".join(lines) + "\n")
