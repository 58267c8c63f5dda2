"""What it costs to compare what is loaded with its checksum, in seconds of a core per GB, files in memory: ``python benchmarks/checksums.py``"""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load

from contextssl.checkpoints.file import check_archive
from contextssl.data.item_checks import ItemChecks
from contextssl.models.tensors_file import read_tensors, write_tensors
from contextssl.training.saving import prove

REPEATS = 3


def main() -> None:
    weights = torch.randn(100_000_000, generator=torch.Generator().manual_seed(0))
    images = np.random.default_rng(0).integers(0, 256, (160, 50, 128, 128, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, model, store = (Path(folder) / name for name in ("a.ckpt", "a.safetensors", "images.npy"))
        torch.save({"weights": weights}, checkpoint)
        write_tensors(model, {}, {"weights": weights})
        np.save(store, images)
        mapped = np.load(store, mmap_mode="r")
        recorded = np.array([zlib.crc32(item.data) for item in images], np.uint32)
        places = np.arange(len(images))
        for what, size, run in (
            ("a checkpoint's CRC-32", weights.nbytes, lambda: check_archive(checkpoint)),
            ("torch.load", weights.nbytes, lambda: torch.load(checkpoint, weights_only=True)),
            ("a checkpoint read back from the disk", weights.nbytes, lambda: prove(checkpoint)),
            ("a model's safetensors with SHA-256", weights.nbytes, lambda: read_tensors(model)),
            ("safetensors without", weights.nbytes, lambda: load(model.read_bytes())),
            ("a store's items, first read", images.nbytes, lambda: ItemChecks(store, recorded, range(len(images))).check(mapped, places)),
        ):
            print(f"{what:40} {best(run) / (size / 1e9):6.2f} s per GB")
        checks = ItemChecks(store, recorded, range(len(images)))
        checks.check(mapped, places)
        print(f"{'a batch of 512 items, read before':40} {1e6 * best(lambda: checks.check(mapped, places.repeat(4)[:512])):6.1f} µs")


def best(run: Callable[[], object]) -> float:
    """Seconds of a core: those of a clock say on a shared machine what others do."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
