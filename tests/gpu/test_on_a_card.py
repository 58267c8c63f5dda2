"""What only an NVIDIA card can show: nothing in a step waits for it, and what it computes is what a processor computes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from contextssl.bench.noise_data import noise_data
from contextssl.bench.training_step import TrainingStep
from contextssl.cli import main
from contextssl.config.bench_settings import BenchSettings
from contextssl.records.results import read_results
from contextssl.training.meters import TrainMeters

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA card here")]

TINY = {"backbone": "resnet_compact", "resolution": 32, "batch_size": 32, "block_size": 16, "width": 64, "n_layer": 2, "projection_dim": 32}
WORDS = [f"{name}={value}" for name, value in TINY.items()]


def step_on(device: str, **changes: object) -> TrainingStep:
    settings = BenchSettings(**{"precision": "32-true", **TINY, **changes})  # type: ignore[arg-type]
    return TrainingStep(settings, noise_data(64, 2, settings.resolution), torch.device(device), settings.precision)


@pytest.fixture
def waits_are_errors() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_nothing_in_a_step_waits_for_the_card(precision: str, waits_are_errors: None) -> None:
    torch.cuda.set_sync_debug_mode("default")
    step = step_on("cuda", precision=precision)
    meters = TrainMeters(step.model.factors)
    batches = [step.batch(number) for number in range(3)]
    step.learn(batches[0], 0)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    for number in (1, 2):
        step.learn(batches[number], number)
        with torch.no_grad():
            meters.update(step.losses(batches[number], number))


def test_a_step_has_the_loss_of_a_processor() -> None:
    with torch.backends.cudnn.flags(allow_tf32=False):
        losses = [float(step_on(device).whole(0)) for device in ("cpu", "cuda")]
    # Masks are drawn by each device's own generator, and hide nine in ten pairs whichever it is.
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
    losses = [float(step_on(device, random_mask=False).whole(0)) for device in ("cpu", "cuda")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_run_trains_is_resumed_and_evaluated_on_it(in_folder: Path) -> None:
    data = ["dataset=shapes", "classes=2", "objects=16", "val_objects=4", "views=6"]
    run = ["train", *data, *WORDS, "epochs=3", "accelerator=cuda", "progress=false", "run_dir=run", "save_interval=1"]
    assert main(run) == 0
    assert main(["train", "resume=run", "progress=false"]) == 0
    assert main(["evaluate", "geometry", "run", "accelerator=cuda", "progress=false", "sensitivity_items=0"]) == 0
    about, rows = read_results(Path("run"))
    assert about["device"] != "cpu" and rows


def test_compiled_steps_are_the_same(in_folder: Path) -> None:
    plain, compiled = (step_on("cuda", compile=compiled, random_mask=False) for compiled in (False, True))
    assert float(plain.whole(0)) == pytest.approx(float(compiled.whole(0)), rel=1e-3)
