"""Files that are damaged as disks, copies and cables do it, and loaded: each is refused in a sentence, said to be otherwise than it was, or harmless.

How a file is damaged :mod:`faults.damage` says; how each is loaded, :mod:`faults.loading`.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from faults.damage import KINDS, damage
from faults.frame import Campaign, Kind, Outcome, Scenario
from faults.material import Material, material
from faults.processes import ROOT, environment
from faults.tasks import DISK, TASKS

# Seconds for one file.
PATIENCE = 60.0
FULL = 3000
# Of three thousand, by what is damaged: the loader, and the files, of which one is drawn.
FILES: dict[str, tuple[str, str, int]] = {
    "checkpoint": ("checkpoint", "run/checkpoints/last.ckpt", 800),
    "exported model": ("exported", "adapted.safetensors", 300),
    "shipped model": ("shipped", "shapes.safetensors", 150),
    "store, images": ("store", "store/images.npy", 300),
    "store, manifest": ("store", "store/manifest.json", 300),
    "store, small files": ("store", "store/[lcnr]*", 250),
    "results.json": ("results", "run/results.json", 300),
    "settings.json": ("settings", "run/settings.json", 200),
    "metrics.csv": ("metrics", "run/metrics.csv", 200),
    "cache": ("cached", "run/cache/*", 200),
}


@dataclass
class Loading:
    """The process that loads (:mod:`faults.loading`), started again where a file ended it."""

    cache: Path
    process: subprocess.Popen[bytes] | None = None
    undamaged: dict[str, str] = field(default_factory=dict)

    def ask(self, loader: str, folder: Path) -> dict[str, str]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "faults.loading"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
                env={**environment(), "CONTEXTSSL_FAULTS_CACHE": str(self.cache)},
            )  # fmt: skip
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"loader": loader, "folder": str(folder)}).encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.end()
            return {"hung": f"no answer after {PATIENCE:.0f} s"}
        line = self.process.stdout.readline()
        if not line:
            self.end()
            assert self.process is not None
            return {"traceback": f"the process was ended ({self.process.returncode})"}
        return dict(json.loads(line))

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def scenarios(campaign: Campaign, count: int) -> Iterator[Iterator[Scenario]]:
    drawn = np.random.default_rng([campaign.seed, 3000])
    whats = [name for name, (*_, number) in FILES.items() for _ in range(number)]
    order = drawn.permutation(len(whats))[:count]
    with material(campaign, [TASKS["evaluating"], TASKS["exporting"]]) as made:
        evaluated, exported = (made.undisturbed(TASKS[name]).folder / DISK for name in ("evaluating", "exporting"))
        whole = campaign.work / "undamaged"
        _bring(evaluated, exported, made, whole)
        loading = Loading(whole / "run/cache")
        try:
            yield (
                Scenario(f"{number + 1} {whats[place]}: {how}", partial(tried, whats[place], how, [campaign.seed, number], whole, loading))
                for number, (place, how) in enumerate(zip(order, itertools.cycle(KINDS), strict=False))
            )
        finally:
            loading.end()


def _bring(evaluated: Path, exported: Path, made: Material, to: Path) -> None:
    from contextssl.checkpoints import SHIPPED

    if to.is_dir():
        return
    half = to.with_name("undamaged-half")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(evaluated / "run", half / "run")
    shutil.copytree(made.base / "store", half / "store")
    shutil.copy(exported / "adapted.safetensors", half)
    shutil.copy(SHIPPED / "shapes.safetensors", half)
    half.rename(to)


def tried(what: str, how: str, seed: list[int], whole: Path, loading: Loading, folder: Path) -> Outcome:
    """Damage a copy, load it, and compare with what the whole one holds."""
    loader, pattern, _ = FILES[what]
    if loader not in loading.undamaged:
        loading.undamaged[loader] = loading.ask(loader, whole)["digest"]
    damaged = folder / "damaged"
    # Only what is damaged is a copy of its own.
    shutil.copytree(whole, damaged, copy_function=os.link)
    drawn = np.random.default_rng(seed)
    paths = sorted(damaged.glob(pattern))
    path = paths[int(drawn.integers(len(paths)))]
    for own in {path, damaged / "run/metrics.csv"}:
        data = own.read_bytes()
        own.unlink()
        own.write_bytes(data)
    said = f"{path.relative_to(damaged)}: {damage(path, how, drawn)}"
    outcome = judged(loading.ask(loader, damaged), loading.undamaged[loader], said)
    if outcome.verdict == "held":
        shutil.rmtree(damaged)
    return outcome


def judged(answer: dict[str, str], undamaged: str, said: str) -> Outcome:
    if "hung" in answer:
        return Outcome("hung", f"{said}; {answer['hung']}")
    if "traceback" in answer:
        return Outcome("traceback", f"{said}; {answer['traceback']}")
    if "refused" in answer:
        if "\n" in answer["refused"]:
            return Outcome("traceback", f"{said}; more than a sentence: {answer['refused']}")
        return Outcome("held", f"{said}; refused: {answer['refused']}")
    if answer["digest"] == undamaged:
        return Outcome("held", f"{said}; harmless")
    return Outcome("held" if answer["warned"] else "silent", f"{said}; {answer['warned'] or 'another content, without a word'}")


KIND = Kind("damages", FULL, "damaged files, loaded", scenarios)
