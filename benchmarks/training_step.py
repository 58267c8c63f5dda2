"""Images/s of whole training steps (drawing, forward, backward, optimiser) at the size of experiment=shapes_minutes, by precision.

    python benchmarks/training_step.py [--steps 40] [--write]

Both precisions run in turn, in one process and on one batch stream, so that their ratio means something on a noisy machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import ViewPairs
from contextssl.data.published_latents import FACTORS, RAW_RANGES, absolute_latents
from contextssl.data.views import Views
from contextssl.system.machine import processor
from contextssl.system.precision import choose_precision
from contextssl.training.loss import Objective, loss_of
from contextssl.training.run import fresh_model

RESULT = Path(__file__).parent / "results" / "training_step.json"


def random_views(items: int, resolution: int, seed: int = 0) -> Views:
    """Noise of the right shape: what is in the pictures does not change the time of a step."""
    rng = np.random.default_rng(seed)
    low, high = np.array(RAW_RANGES).T
    latents = absolute_latents(rng.uniform(low, high, (items, 50, 7)))
    images = rng.integers(0, 256, (items, 50, resolution, resolution, 3), dtype=np.uint8)
    labels = np.arange(items) % 5
    return Views(images, latents, labels, FACTORS, tuple("abcde"), [str(i) for i in range(items)])


def seconds_a_step(settings: TrainSettings, data: Data, steps: int) -> dict[str, float]:
    """Median seconds of a step in each precision, the two alternating."""
    mix = EnvironmentMix.parse(settings.env_ratio, FACTORS, settings.env_per)
    sampler = PairSampler(data.train, mix, settings.batch_size, settings.block_size, settings.pairs_per_item)
    objective = Objective.of(settings)
    model = fresh_model(settings, data, None).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    times: dict[str, list[float]] = {"32-true": [], "bf16-mixed": []}
    for step in range(steps + 4):
        for precision, seconds in times.items():
            began = time.perf_counter()
            batch = sampler.batch(0, step % sampler.steps_per_epoch)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
                loss = loss_of(model, batch, objective).total
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            seconds.append(time.perf_counter() - began)
    return {precision: statistics.median(seconds[4:]) for precision, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name} beside this file")
    arguments = parser.parse_args()
    settings = settings_from("train", TrainSettings, ["experiment=shapes_minutes"])
    views = random_views(100, settings.resolution)
    data = Data(ViewPairs(views), ViewPairs(views), views.view_shape, (0.5,) * 3, (0.25,) * 3)
    seconds = seconds_a_step(settings, data, arguments.steps)
    images = 2 * settings.batch_size
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "cpu": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "images_per_step": images,
        "images_per_second": {precision: round(images / value) for precision, value in seconds.items()},
        "bf16_to_float32": round(seconds["32-true"] / seconds["bf16-mixed"], 2),
        "chosen_by_auto": choose_precision("auto", "cpu"),
    }
    print(json.dumps(result, indent=1))
    if arguments.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
