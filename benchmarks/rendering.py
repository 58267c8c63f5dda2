"""Images a second of the built-in shapes: ``python benchmarks/rendering.py [--write]``.

Each process draws whole items (their meshes, acceleration structures and 50 views), as packing a data set does, without writing them.
With ``--write`` the numbers also go to ``benchmarks/results/rendering.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from contextssl.system.machine import processor

RESULTS = Path(__file__).parent / "results" / "rendering.json"


def single_thread() -> None:
    """One thread a process: the processes share the processors out among themselves. To be called before numpy is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def draw(seed: int, resolution: int, supersample: int, seconds: float) -> tuple[int, float]:
    """How many images one process draws in at least so many seconds, and in how many. A first round over the classes is not timed."""
    from contextssl.data.shapes import CLASSES, ShapesSource

    source = ShapesSource(objects_per_class=1000, seed=seed, supersample=supersample)
    order = [(label * 1000 + number) for number in range(1000) for label in range(len(CLASSES))]
    for index in order[: len(CLASSES)]:
        source.read("train", index, resolution)
    images, start = 0, time.perf_counter()
    for index in order[len(CLASSES) :]:
        images += len(source.read("train", index, resolution)[0])
        if time.perf_counter() - start > seconds:
            break
    return images, time.perf_counter() - start


def measure(seed: int, resolution: int, supersample: int, processes: int, seconds: float) -> float:
    """Images a second of so many processes together."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=single_thread) as pool:
        jobs = [pool.submit(draw, seed + process, resolution, supersample, seconds) for process in range(processes)]
        return sum(images / taken for images, taken in (job.result() for job in jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=4.0, help="timed seconds for each row")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(RESULTS.parents[2])}")
    arguments = parser.parse_args()
    single_thread()  # spawned processes inherit it

    run = {
        "benchmark": "rendering",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{processor()}, {os.cpu_count()} processors",
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "seed": arguments.seed,
        "seconds": arguments.seconds,
    }
    print(", ".join(f"{name} {value}" for name, value in run.items()))
    rows = []
    print(f"{'pixels':>6} {'rays/pixel':>10} {'processes':>9} {'images/s':>9}")
    for resolution, supersample in ((32, 1), (64, 1), (32, 2), (128, 1)):
        for processes in (1, 2):
            speed = measure(arguments.seed, resolution, supersample, processes, arguments.seconds)
            rows.append({"resolution": resolution, "supersample": supersample, "processes": processes, "images_per_second": round(speed)})
            print(f"{resolution:>6} {supersample**2:>10} {processes:>9} {speed:>9.0f}", flush=True)
    if arguments.write:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"run": run, "rows": rows}, indent=2) + "\n")
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
