"""Nearest images among embeddings in a file that need not fit into memory: ``python benchmarks/neighbours.py [MILLIONS] [WIDTH]``

Seconds and peak memory of one query and of 256, among a tenth of so many embeddings and among all, each in a process of its own. What is mapped of
the file is a part of the memory, which the system takes back when it needs it. Where faiss-cpu is installed, beside its exact index, which holds all
in memory, and an approximate one, with the share of the true neighbours that it finds.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from contextssl.models.neighbours import nearest
from contextssl.system.memory import peak_memory_mib

K, BLOCK = 10, 100_000


def write(path: Path, count: int, width: int) -> None:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, width))
    generator = np.random.default_rng(0)
    # A thousand clusters: of independent noise nothing is near anything.
    centres = generator.standard_normal((1000, width), np.float32)
    for start in range(0, count, BLOCK):
        rows = min(BLOCK, count - start)
        array[start : start + rows] = centres[generator.integers(0, 1000, rows)] + generator.standard_normal((rows, width), np.float32)
    array.flush()


def measured(way: str, path: Path, queries: int) -> None:
    images = np.load(path, mmap_mode="c")
    asked = torch.from_numpy(np.array(images[:: len(images) // queries][:queries]))
    nearest(asked[:1], torch.from_numpy(np.array(images[:100])), 2)
    before = peak_memory_mib()
    if way == "nearest":
        began = time.monotonic()
        nearest(asked, torch.from_numpy(images), K)
        said = ""
    else:
        index, built = indexed(way, images)
        unit = F.normalize(asked, dim=1).numpy()
        began = time.monotonic()
        found = index.search(unit, K)[1]
        said = f" after {built:.1f} s for the index"
    seconds, peak = time.monotonic() - began, peak_memory_mib() - before
    said += f", {peak:,.0f} MiB"
    if way == "faiss, approximate":
        rows, _ = nearest(asked, torch.from_numpy(images), K)
        shares = [len({*some} & {*true}) / K for some, true in zip(found.tolist(), rows.tolist(), strict=True)]
        said += f", {np.mean(shares):.3f} of the true neighbours"
    print(f"{len(images):>10,} × {images.shape[1]}, {queries:>4} queries, {way:20}{seconds:8.2f} s{said}", flush=True)


def indexed(way: str, images: np.ndarray) -> tuple[Any, float]:
    """An index of faiss, and the seconds that it took to make."""
    import faiss

    began = time.monotonic()
    whole = np.ascontiguousarray(images)
    faiss.normalize_L2(whole)
    width = whole.shape[1]
    index: Any = faiss.IndexFlatIP(width)
    if way == "faiss, approximate":
        index = faiss.IndexIVFFlat(index, width, 1024, faiss.METRIC_INNER_PRODUCT)
        index.train(whole[: 40 * 1024])
        index.nprobe = 16
    index.add(whole)
    return index, time.monotonic() - began


def main(words: list[str]) -> None:
    if words[:1] == ["--one"]:
        measured(words[1], Path(words[2]), int(words[3]))
        return
    count, width = int(float(words[0]) * 1e6) if words else 2_600_000, int(words[1]) if words[1:] else 128
    ways = ["nearest", *(["faiss, exact", "faiss, approximate"] if importlib.util.find_spec("faiss") else [])]
    with tempfile.TemporaryDirectory() as folder:
        for rows in (count // 10, count):
            path = Path(folder) / f"{rows}.npy"
            write(path, rows, width)
            for queries in (1, 256):
                for way in ways:
                    subprocess.run([sys.executable, __file__, "--one", way, str(path), str(queries)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
