"""What a training step costs on N devices: a model of it, checked against one and two processes of this machine: python benchmarks/cost_model.py

    step = compute + exchange
    compute = operations(pairs of one device) / (share · peak)   one thread each here; its share of the peak is measured with one process
    exchange = 2 (N - 1) / N · 4 bytes · weights / bandwidth     a ring's sum of gradients, its bandwidth measured between two processes
             + (N - 1) / N · tokens of the batch · D · 4 bytes / bandwidth    predictions and their gradients, for the contrastive loss
    loss = tokens of one device · tokens of the batch · D · 6 operations, part of compute

Prints what the model says beside what was measured, here, and then what it says of devices that are assumed (a data sheet's peak, a share of it, and
a bandwidth: ``ASSUMED``), on which nothing has run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from contextssl.bench.limits import measure_limits
from contextssl.bench.noise_data import noise_data
from contextssl.bench.training_step import TrainingStep
from contextssl.config.bench_settings import BenchSettings
from contextssl.models.whole_batch import ALONE, WholeBatch
from contextssl.records.provenance import commit, describe_machine
from contextssl.system.precision import FLOAT32
from contextssl.training.loss import loss_of

ROUNDS = 6
SIZE = BenchSettings(backbone="resnet18", resolution=64, batch_size=32, block_size=32, width=256, n_layer=2, precision=FLOAT32)
# The paper's setting, on devices of a data sheet: operations/s in bf16, a share of them that is assumed, bytes/s between devices of a machine and
# between machines, devices a machine.
ASSUMED = {"peak": 312e12, "share": 0.3, "within": 200e9, "between": 25e9, "devices": 8}
PAPER = BenchSettings(batch_size=512)


@dataclass(frozen=True)
class Costs:
    """Of one training: operations of a pair, forward and backward; its weights; the width of embeddings."""

    operations: float
    weights: int
    width: int

    def compute(self, pairs: float, whole: float, rate: float) -> float:
        """Seconds of one device's pairs of a batch of ``whole``."""
        return (self.operations * pairs + 6 * (2 * pairs) * (2 * whole) * self.width) / rate

    def exchange(self, whole: float, processes: int, bandwidth: float) -> float:
        """Seconds of the exchanges of a step."""
        part = (processes - 1) / processes
        return part * (2 * 4 * self.weights + 2 * 4 * 2 * whole * self.width) / bandwidth


def costs_of(settings: BenchSettings) -> Costs:
    """As PyTorch counts them, without the contrastive loss's part, which depends on the whole batch."""
    pairs = settings.block_size // 2
    small = dataclasses.replace(settings, batch_size=pairs)
    step = TrainingStep(small, noise_data(2 * pairs, 2, settings.resolution), torch.device("cpu"), FLOAT32)
    weights = sum(parameter.numel() for parameter in step.model.parameters())
    own = 6 * (2 * pairs) ** 2 * step.model.projection_dim
    return Costs((step.operations() - own) / pairs, weights, step.model.projection_dim)


def process(rank: int, processes: int, folder: str) -> None:
    """One process: seconds of its steps, of computing its share alone, and of summing the gradients alone."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29577", OMP_NUM_THREADS="1")
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    step = TrainingStep(SIZE, noise_data(2 * SIZE.batch_size, 2, SIZE.resolution), torch.device("cpu"), FLOAT32)
    parameters = [parameter for parameter in step.model.parameters() if parameter.requires_grad]
    seconds: dict[str, list[float]] = {"step": [], "exchange": []}
    for number in range(ROUNDS + 1):
        batch = step.sampler.batch(0, number % step.sampler.steps_per_epoch, rank, processes)
        whole = WholeBatch(step.sampler.shares(0, processes), step.sampler.cuts_sequences(0, processes)) if processes > 1 else ALONE
        dist.barrier()
        began = time.perf_counter()
        loss_of(step.model, batch, step.objective, step.generator(number), whole).total.backward()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        summed = time.perf_counter()
        if processes > 1:
            dist.all_reduce(flat)
        seconds["exchange"].append(time.perf_counter() - summed)
        step.update()
        step.optimizer.zero_grad()
        seconds["step"].append(time.perf_counter() - began)
    if rank == 0:
        found = {name: statistics.median(values[1:]) for name, values in seconds.items()}
        (Path(folder) / f"{processes}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def measured(processes: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        spawn(process, (processes, folder), nprocs=processes)
        found: dict[str, float] = json.loads((Path(folder) / f"{processes}.json").read_text())
    return found


def check() -> None:
    """One and two processes of this machine."""
    costs = costs_of(SIZE)
    torch.set_num_threads(1)
    peak = measure_limits(torch.device("cpu"), FLOAT32).operations
    one, two = measured(1), measured(2)
    pairs = SIZE.batch_size
    rate = costs.compute(pairs, pairs, 1.0) / one["step"]
    bandwidth = 4 * costs.weights / two["exchange"]
    said = costs.compute(pairs / 2, pairs, rate) + costs.exchange(pairs, 2, bandwidth)
    print(
        f"one process: {one['step']:.3f} s a step of {pairs} pairs, {rate / 1e9:.1f} billion operations/s, {rate / peak:.0%} of a product's"
    )
    print(f"two processes: {two['step']:.3f} s measured, {said:.3f} s by the model ({said / two['step'] - 1:+.0%});")
    print(f"  the exchange {two['exchange']:.3f} s for {costs.weights / 1e6:.1f} million weights, {bandwidth / 1e9:.2f} GB/s")


def predict() -> None:
    """The paper's setting; batches grow with the devices beyond 64 pairs each."""
    costs = costs_of(PAPER)
    rate = ASSUMED["peak"] * ASSUMED["share"]
    print(f"the paper's setting: {costs.operations / 1e9:.1f} billion operations a pair, {costs.weights / 1e6:.0f} million weights")
    print(f"assumed: {ASSUMED}")
    print("| GPUs | pairs a batch | compute, ms | exchange, ms | images/s | hours of 100 epochs: 10⁶ / 10⁷ / 10⁸ / 10⁹ views |")
    print("|---|---|---|---|---|---|")
    for devices in (1, 8, 64, 512):
        whole = max(512, 64 * devices)
        bandwidth = ASSUMED["within"] if devices <= ASSUMED["devices"] else ASSUMED["between"]
        compute, exchange = costs.compute(whole / devices, whole, rate), costs.exchange(whole, devices, bandwidth)
        # The sum of gradients runs beside the backward pass, two thirds of computing.
        step = compute + max(0.0, exchange - 2 / 3 * compute)
        images = 2 * whole / step
        hours = " / ".join(f"{100 * views / images / 3600:,.2g}" for views in (1e6, 1e7, 1e8, 1e9))
        print(f"| {devices} | {whole:,} | {1000 * compute:.1f} | {1000 * exchange:.1f} | {images:,.0f} | {hours} |")


if __name__ == "__main__":
    machine = describe_machine()["machine"]
    print(f"{machine}, torch {torch.__version__}, commit {commit()}, one thread a process")
    if "predict" not in sys.argv[1:]:
        check()
    predict()
