"""``contextssl bench gpu``: what a card does in the paper's setting, in under ten minutes, as one report. On a CPU the same at toy size."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from contextssl.bench.context_bench import bench_context
from contextssl.bench.evaluate_bench import bench_evaluate
from contextssl.bench.limits import measure_limits
from contextssl.bench.measured import Measured
from contextssl.bench.noise_data import noise_data
from contextssl.bench.train_bench import bench_train
from contextssl.bench.training_step import TrainingStep
from contextssl.bench.turns import in_turns, wait_for
from contextssl.config.bench_settings import BenchContextSettings, BenchEvaluateSettings, BenchGpuSettings, BenchSettings
from contextssl.config.overrides import settings_from
from contextssl.config.settings import DemoSettings
from contextssl.demo import demo
from contextssl.errors import ContextSSLError, one_line, out_of_memory
from contextssl.system.device import chosen_device
from contextssl.system.files import write_json, write_text
from contextssl.system.memory import peak_memory_mib
from contextssl.system.precision import choose_precision
from contextssl.training.batches import PairLoader

# The paper's training: objects of 3DIEBench's training split, two images of each in every one of 1000 epochs.
PAPER_IMAGES = 2 * 41_920 * 1000
# Batches of an epoch of noise that come through the loader.
BATCHES = 8
WORKERS = (0, 4, 8)
TOY = {
    "backbone": "resnet_compact",
    "resolution": 32,
    "batch_size": 16,
    "block_size": 16,
    "width": 32,
    "n_layer": 2,
    "projection_dim": 32,
    "auxiliary_width": 32,
}
# Small enough for two minutes on any card; what it shows is that everything works there.
DEMO = ["classes=5", "objects=40", "val_objects=10", "epochs=6", "progress=false"]
TOY_DEMO = [
    *(
        "classes=2",
        "objects=3",
        "val_objects=5",
        "grid={rotation:3,color:3}",
        "grid_views=null",
        "resolution=16",
        "epochs=1",
        "batch_size=8",
        "block_size=8",
    ),
    *("width=32", "n_layer=1", "projection_dim=32", "backbone=resnet_compact", "workers=0", "progress=false"),
]


@dataclass
class Card:
    """What is measured, on which device, at which size."""

    settings: BenchGpuSettings
    device: torch.device

    @property
    def toy(self) -> bool:
        return self.device.type == "cpu"

    def training(self, **changes: object) -> BenchSettings:
        size = TOY if self.toy else {"batch_size": self.settings.batch_size}
        values = {"accelerator": self.device.type, "rounds": self.settings.rounds, **size, **changes}
        return BenchSettings(**values)  # type: ignore[arg-type]

    def step(self, **changes: object) -> TrainingStep:
        settings = self.training(**changes)
        data = noise_data(2 * settings.batch_size, 2, settings.resolution)
        return TrainingStep(settings, data, self.device, choose_precision(settings.precision, settings.accelerator))

    # -- the parts of the report ------------------------------------------------------------------------------------------------------

    def limits(self) -> Measured:
        measured = Measured("What the device can do", {})
        for precision in ("32-true", "bf16-mixed", "16-mixed"):
            found = measure_limits(self.device, precision)
            measured.rows.append({"precision": precision, "products, TFLOP/s": found.operations / 1e12, "copies, GB/s": found.bytes / 1e9})
            measured.numbers[precision] = dataclasses.asdict(found)
        return measured

    def paper(self) -> Measured:
        measured = bench_train(self.training())
        for name in ("images_per_second", "published_images_per_second"):
            hours = PAPER_IMAGES / measured.numbers[name] / 3600
            measured.numbers[f"hours_of_{name}"] = hours
            whose = "here" if name == "images_per_second" else "the published way, its images read already"
            measured.notes.append(f"the paper's 1000 epochs of 41,920 objects at this rate: {hours:,.1f} h {whose}")
        return measured

    def precisions(self) -> Measured:
        """Steps of a fresh model each, in turns."""
        measured = Measured("Compiling, and precisions", dataclasses.asdict(self.training()))
        kinds: dict[str, dict[str, object]] = {
            "as it is": {},
            "compile=true": {"compile": True},
            "precision=32-true": {"precision": "32-true"},
        }
        if self.device.type == "cuda":
            kinds["precision=16-mixed"] = {"precision": "16-mixed"}
        steps = {name: self.step(**changes) for name, changes in kinds.items()}
        ways = {name: partial(step.whole, 0) for name, step in steps.items()}
        times = in_turns(ways, self.settings.rounds, self.device, warm=2)
        images = 2 * self.training().batch_size
        for name in steps:
            measured.rows.append(
                {"way": name, "images/s": images / times.median(name), "times as fast as it is": times.ratio("as it is", name)}
            )
        measured.numbers = {name: list(values) for name, values in times.seconds.items()}
        return measured

    def loaders(self) -> Measured:
        """Whole steps, their batches drawn by so many processes."""
        settings = self.training()
        data = noise_data(BATCHES * settings.batch_size, 2, settings.resolution)
        measured = Measured("Batches drawn by processes", dataclasses.asdict(settings))
        for workers in WORKERS[: 1 if self.toy else None]:
            step = TrainingStep(settings, data, self.device, choose_precision(settings.precision, settings.accelerator))
            # It is never resumed, so nobody asks how many batches were consumed.
            loader = PairLoader(step.sampler, lambda: 0, 0, 1, workers, pin_memory=self.device.type == "cuda")
            rates = []
            for epoch in range(3):
                loader.steps.set_epoch(epoch)
                began = time.perf_counter()
                for number, batch in enumerate(loader):
                    step.learn(batch.to(self.device, non_blocking=True), number)
                wait_for(self.device)
                rates.append(2 * data.train.num_items / (time.perf_counter() - began))
            measured.rows.append({"workers": str(workers), "images/s": max(rates[1:])})
            measured.numbers[str(workers)] = rates
        return measured

    def evaluation(self) -> Measured:
        size = TOY if self.toy else {}
        settings = BenchEvaluateSettings(
            accelerator=self.device.type,
            rounds=2,
            items=16 if self.toy else 512,
            **size,  # type: ignore[arg-type]
        )
        return bench_evaluate(settings)

    def contexts(self) -> Measured:
        small = {"width": 32, "pairs": 16, "queries": 8} if self.toy else {}
        return bench_context(BenchContextSettings(accelerator=self.device.type, rounds=self.settings.rounds, **small))  # type: ignore[arg-type]

    def demonstration(self) -> Measured:
        """Rendering, training, evaluation and report: whether all of it works on this device."""
        words = [*(TOY_DEMO if self.toy else DEMO), f"accelerator={self.device.type}"]
        with tempfile.TemporaryDirectory(prefix="contextssl-bench-") as folder:
            made = demo(settings_from("demo", DemoSettings, [*words, f"run_dir={folder}/run", f"data_dir={folder}/data"]))
        measured = Measured("The demo, small", {"words": words})
        measured.rows = [{"part": part, "s": seconds} for part, seconds in made.seconds.items()]
        measured.numbers = dict(made.seconds)
        return measured


def bench_gpu(settings: BenchGpuSettings) -> list[Measured]:
    """Every part in turn. One that fails is told with its reason, and the others go on."""
    device = chosen_device(settings.accelerator)
    card = Card(settings, device)
    parts: list[Callable[[], Measured]] = [
        *(card.limits, card.paper, card.precisions, card.loaders, card.evaluation, card.contexts, card.demonstration)
    ]
    console = Console(highlight=False)
    found = []
    began = time.monotonic()
    for part in parts:
        try:
            measured = part()
        except (ContextSSLError, RuntimeError, MemoryError) as error:
            reason = out_of_memory(error) or (str(error) if isinstance(error, ContextSSLError) else f"{type(error).__name__}: {error}")
            measured = Measured(f"{part.__name__} failed", {}, notes=[one_line(str(reason))])
        if device.type == "cuda":
            measured.numbers["peak_memory_mib"] = peak_memory_mib(device)
            torch.cuda.empty_cache()
        found.append(measured)
        console.print(f"{time.monotonic() - began:5.0f} s  {measured.title}")
    return found


def write_report(found: list[Measured], folder: Path) -> Path:
    """``report.md`` and ``results.json``. Raises DataError where they cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = [measured.plain() for measured in found]
    machine = everything[0]["machine"]
    lines = ["# What this machine does", "", *(f"- {name}: {value}" for name, value in machine.items()), ""]
    write_json(folder / "results.json", everything)
    write_text(folder / "report.md", "\n".join([*lines, *(measured.markdown() for measured in found)]))
    return folder / "report.md"
