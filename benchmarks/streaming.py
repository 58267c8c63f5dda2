"""Reading views from shards in the order of an epoch, here and through litdata: python benchmarks/streaming.py [ITEMS] (pip install litdata)

Both read the same items in the same order (shards shuffled, items shuffled within groups of eight), 32 at a time, from shards of 2 MB in a folder
that stands for a server, with a cache that begins empty, twice in turn. litdata's own shuffled loader is timed too: its order is its own. (litdata
reads no web server, and of S3 no endpoint without TLS, so the folder is what both have in common.)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from contextssl.bench.noise_data import MEAN, STD, noise_data
from contextssl.data.sharded_views import ShardedViews, open_shards
from contextssl.data.shards import write_shards
from contextssl.data.store import Store
from contextssl.data.views import Views
from contextssl.records.provenance import commit, describe_machine
from contextssl.system.remote import place_of

VIEWS, SIDE, BATCH, GROUP, SHARD = 8, 64, 32, 8, 2 * 10**6


def main(count: int = 1024) -> None:
    views = noise_data(count, VIEWS, SIDE).train.views
    assert isinstance(views, Views)
    machine = describe_machine()["machine"]
    print(f"{machine}, torch {torch.__version__}, commit {commit()}; {count} items of {views.images[0].nbytes / 1e3:.0f} kB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = {
            "version": 1,
            "format": "contextssl views",
            "shape": list(views.images.shape),
            "raw_width": 7,
            "factors": views.factors.to_dict(),
            "class_names": list(views.class_names),
            "splits": {"train": [0, count]},
            "source": None,
            "statistics_split": "train",
            "image_mean": list(MEAN),
            "image_std": list(STD),
            "fingerprint": "0" * 16,
        }
        write_shards(Store(folder, manifest, {"train": views}), place_of(str(folder / "shards")), SHARD, progress=False)
        write_chunks(views, folder / "chunks")
        for turn in range(2):
            sharded = open_shards(place_of(str(folder / "shards")), folder / f"cache{turn}", 10**12)["train"]
            assert isinstance(sharded, ShardedViews)
            order = sharded.order(torch.Generator().manual_seed(turn), GROUP * sharded.shards[0].bytes)
            print(f"here: {through(partial(gathered, sharded), order):,.0f} items/s")
            by_litdata(folder, order, turn)


def gathered(views: ShardedViews, rows: torch.Tensor) -> torch.Tensor:
    """Every view of some items, as litdata gives them."""
    return views.gather_views(rows.repeat_interleave(VIEWS), torch.arange(VIEWS).repeat(len(rows)))


def write_chunks(views: Views, folder: Path) -> None:
    from litdata.streaming.writer import BinaryWriter  # type: ignore[import-not-found]

    writer = BinaryWriter(str(folder), chunk_bytes=SHARD)
    for item in range(views.num_items):
        writer[item] = {"images": np.ascontiguousarray(views.images[item])}
    writer.done()
    writer.merge()


def by_litdata(folder: Path, order: torch.Tensor, turn: int) -> None:
    from litdata import StreamingDataLoader, StreamingDataset  # type: ignore[import-not-found]

    where = f"local:{folder / 'chunks'}"
    one = StreamingDataset(where, cache_dir=str(folder / f"one{turn}"))
    print(f"litdata, in that order: {through(lambda rows: [one[int(row)] for row in rows], order):,.0f} items/s")
    own = StreamingDataset(where, cache_dir=str(folder / f"own{turn}"), shuffle=True)
    began = time.perf_counter()
    taken = sum(len(batch["images"]) for batch in StreamingDataLoader(own, batch_size=BATCH, num_workers=0))
    print(f"litdata, in its own order: {taken / (time.perf_counter() - began):,.0f} items/s")


def through(read: Callable[[torch.Tensor], object], order: torch.Tensor) -> float:
    began = time.perf_counter()
    for rows in order.split(BATCH):
        read(rows)
    return len(order) / (time.perf_counter() - began)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
