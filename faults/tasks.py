"""The commands that faults are done to, at the smallest size that is still whole, and how two ends of one are compared.

A task works in a folder, in which ``disk`` holds all that it writes; what it reads was made once, by the commands themselves
(:mod:`faults.material`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from faults.comparing import different_files, different_runs

DISK = "disk"
MODEL = "backbone=test_resnet.r160_in1k projection_dim=16 width=32 n_layer=2 block_size=8 auxiliary_width=16"
SMALL = f"{MODEL} resolution=16 batch_size=4 warmup_epochs=1 log_interval=1 log_every_steps=1 eval_ctxt=[0,2,6] val_pairs=8"
TRAINED = f"dataset=shapes data_dir={{base}}/store {SMALL} accelerator=cpu precision=32-true progress=false"
EXAMPLE = "epochs=4 context=examples env_ratio=[0.5,0.5,0.0]"
RENDERED = "classes=4 objects=4 val_objects=2 grid={{rotation:3,color:3}} resolution=16 progress=false"


@dataclass(frozen=True)
class Task:
    """One command.

    Args:
        name: in the names of scenarios.
        words: of the command, with ``{base}`` for the folder of what was made once.
        writes: what it makes in ``disk``.
        brings: of what was made once, what it works in and changes: copied into ``disk`` before.
        trains: a run ``disk/run``, which may be resumed by name.
        serves: it goes on until it is asked to end.
    """

    name: str
    words: str
    writes: str
    brings: tuple[str, ...] = ()
    trains: bool = False
    serves: bool = False
    differ: Callable[[Path, Path], str | None] = different_files

    @property
    def needs(self) -> list[str]:
        """Of what was made once."""
        return [name for name in ("store", "folder", "images", "run") if f"{{base}}/{name}" in self.words or name in self.brings]

    def prepare(self, folder: Path, base: Path) -> None:
        (folder / DISK).mkdir(parents=True, exist_ok=True)
        for name in self.brings:
            shutil.copytree(base / name, folder / DISK / name)

    def command(self, base: Path) -> list[str]:
        return [word.replace("{base}", str(base)).replace("{{", "{").replace("}}", "}") for word in self.words.split()]

    def difference(self, folder: Path, undisturbed: Path) -> str | None:
        """What was made otherwise than without the fault, in one line; None where nothing was."""
        return self.differ(folder / DISK / self.writes, undisturbed / DISK / self.writes)


def _train(name: str, more: str) -> Task:
    words = f"train {TRAINED} {EXAMPLE} run_dir={DISK}/run {more}"
    return Task(name, words, "run", trains=True, differ=different_runs)


USED = "accelerator=cpu progress=false"
TASKS = {
    task.name: task
    for task in (
        _train("training", "devices=1"),
        # With workers, saved within epochs, every epoch kept, and a method whose model does something after each step.
        Task(
            "training, workers",
            f"train {TRAINED} epochs=4 method=byol run_dir={DISK}/run devices=1 workers=2 save_minutes=0.0005 save_interval=1",
            "run",
            trains=True,
            differ=different_runs,
        ),
        # Each takes a sequence of a batch.
        replace(_train("training, two processes", "devices=2"), words=_train("", "devices=2").words.replace("batch_size=4", "batch_size=8")),
        Task("rendering", f"data shapes out={DISK}/store {RENDERED} workers=1", "store"),
        Task("rendering, workers", f"data shapes out={DISK}/store {RENDERED} workers=2", "store"),
        Task("rendering, folder", f"data shapes out={DISK}/folder layout=folder {RENDERED} workers=2", "folder"),
        Task("packing", f"data pack {{base}}/folder {DISK}/store resolution=16 workers=1 progress=false", "store"),
        Task("packing, workers", f"data pack {{base}}/folder {DISK}/store resolution=16 workers=2 progress=false", "store"),
        Task(
            "evaluating",
            f"evaluate all {DISK}/run heads=[linear,ridge,knn] epochs=3 train_views=3 probe_views=2 accelerator=cpu progress=false",
            "run",
            brings=("run",),
            differ=different_runs,
        ),
        Task(
            "comparing",
            f"compare {TRAINED} epochs=2 methods=[simclr,contextssl] seeds=[0] compare_dir={DISK}/compare compare_lengths=[0,2] "
            "protocols=[equivariance,retrieval]",
            "compare",
        ),
        Task(
            "embedding", f"embed {{base}}/run {{base}}/images context={{base}}/images/pairs.csv out={DISK}/z.npy batch_size=4 {USED}", "."
        ),
        Task("embedding, parquet", f"embed {{base}}/run {{base}}/images out={DISK}/z.parquet batch_size=4 {USED}", "."),
        Task("exporting", f"adapt {{base}}/run context={{base}}/images/pairs.csv out={DISK}/adapted.safetensors {USED}", "."),
        Task("exporting, pt2", f"adapt {{base}}/run context={{base}}/images/pairs.csv out={DISK}/adapted.pt2 {USED}", "."),
        Task("reporting", f"report {DISK}/run gallery=false", "run/figures", brings=("run",), differ=lambda a, b: different_files(a, b, names=True)),
        Task("exploring", f"explore {{base}}/run port=0 open=false views=24 {USED}", ".", serves=True),
    )
}  # fmt: skip
