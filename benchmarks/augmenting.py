"""Images/s of Augmentations.apply on batches of small images, uint8 to uint8, by what is done to them.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/augmenting.py [--size 32] [--batch 256] [--repeats 50]

On the CPU, and on a GPU where there is one. The kinds take turns, so that their ratio means something on a noisy machine; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from contextssl.data.augmentations import AUGMENTATIONS, Augmentations
from contextssl.randomness import seeded_generator

KINDS = {"crop+blur": ["crop", "blur"], "color+blur": ["color", "blur"], "crop+color": ["crop", "color"], "all": list(AUGMENTATIONS)}


def seconds_a_batch(device: torch.device, size: int, batch: int, repeats: int) -> dict[str, float]:
    """Median seconds of one ``apply`` for each kind. The images are channels-last in memory, as the data sets gather them."""
    generator = seeded_generator(0)
    images = torch.randint(0, 256, (batch, size, size, 3), generator=generator, dtype=torch.uint8).to(device).permute(0, 3, 1, 2)
    kinds = {kind: Augmentations.named(names) for kind, names in KINDS.items()}
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(repeats + 3):
        for kind, augmentations in kinds.items():
            parameters = augmentations.draw(batch, generator)
            began = time.perf_counter()
            augmentations.apply(images, parameters)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times[kind].append(time.perf_counter() - began)
    return {kind: statistics.median(seconds[3:]) for kind, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    devices = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    print(f"{arguments.batch} images of {arguments.size} px; torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'device':24}{'augmentations':16}{'ms a batch':>12}{'images/s':>12}")
    for device in devices:
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        for kind, seconds in seconds_a_batch(device, arguments.size, arguments.batch, arguments.repeats).items():
            print(f"{name:24}{kind:16}{1000 * seconds:12.2f}{arguments.batch / seconds:12,.0f}")


if __name__ == "__main__":
    main()
