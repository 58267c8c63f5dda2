"""``contextssl bench data``: pairs of views from a packed store, beside reading them one at a time from image and latent files."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import torch

from contextssl.bench.as_published import OneByOne, as_read
from contextssl.bench.limits import measure_limits
from contextssl.bench.measured import Measured
from contextssl.bench.turns import in_turns
from contextssl.config.bench_settings import BenchDataSettings
from contextssl.data.folder import write_folder
from contextssl.data.pack import pack
from contextssl.data.pairs import PairBatch, ViewPairs
from contextssl.data.shapes import ShapesSource
from contextssl.data.store import open_store
from contextssl.data.threediebench_folder import ThreeDIEBenchSource
from contextssl.errors import ContextSSLError
from contextssl.system.precision import FLOAT32

# As published: images are JPEG files of 256 pixels a side, of which pairs of another resolution are made.
PUBLISHED_SIDE = 256
CLASSES = 4
STORE, FILES = "packed store", "one file at a time"
# Of normalised pixels, and of actions.
TOLERANCE = 1e-4


def bench_data(settings: BenchDataSettings) -> Measured:
    """Writes a folder of the published layout, packs it, and draws the same pairs both ways. Raises ContextSSLError where they differ."""
    with tempfile.TemporaryDirectory(prefix="contextssl-bench-") as folder:
        source = ShapesSource(
            classes=CLASSES, objects_per_class=-(-settings.objects // CLASSES), val_objects_per_class=1, num_views=settings.views
        )
        root = write_folder(source, Path(folder) / "files", PUBLISHED_SIDE, "jpg", progress=settings.progress)
        store = open_store(pack(ThreeDIEBenchSource(root), Path(folder) / "store", settings.resolution, progress=settings.progress))
        views = store["train"]
        pairs, files = ViewPairs(views), OneByOne(root, views.item_names, settings.resolution, store.image_mean, store.image_std)
        generator = torch.Generator().manual_seed(0)

        def ours() -> PairBatch:
            return pairs.draw(torch.randint(pairs.num_items, (settings.batch_size,), generator=generator), generator)

        batch = ours()

        def theirs() -> tuple[torch.Tensor, ...]:
            return files.batch(batch.items, batch.source_views, batch.target_views)

        differ = _same(batch, theirs(), store.image_mean, store.image_std)
        times = in_turns({STORE: ours, FILES: theirs}, settings.rounds, torch.device("cpu"))
    limits = measure_limits(torch.device("cpu"), FLOAT32)
    images = 2 * settings.batch_size
    moved = images * batch.source[0].numel()
    measured = Measured(f"Drawing {settings.batch_size} pairs of {settings.resolution} px, one process", dataclasses.asdict(settings))
    for name in (STORE, FILES):
        measured.rows.append({"way": name, "images/s": images / times.median(name), "ms a batch": 1000 * times.median(name)})
    ratio = times.ratio(FILES, STORE)
    copied = 2 * moved / times.median(STORE)
    measured.notes += [
        f"the packed store is {ratio:,.0f} times as fast; the same pairs, their pixels at most {differ:.1e} apart",
        f"it moves {copied / 1e9:.1f} GB/s, {copied / limits.bytes:.0%} of a copy of memory in the same run ({limits.bytes / 1e9:.1f} GB/s)",
    ]
    measured.numbers = {
        "images_per_second": {name: images / times.median(name) for name in (STORE, FILES)},
        "ratio": ratio,
        "seconds": {name: list(values) for name, values in times.seconds.items()},
        "bytes_per_second": copied,
        "limits": dataclasses.asdict(limits),
        "pixel_difference": differ,
    }
    return measured


def _same(batch: PairBatch, read: tuple[torch.Tensor, ...], mean: tuple[float, ...], std: tuple[float, ...]) -> float:
    """How far apart at most the pixels and actions of both ways are."""
    source, target, action = read
    apart = [(as_read(mine, mean, std) - other).abs().max() for mine, other in ((batch.source, source), (batch.target, target))]
    rotation = batch.action[:, :4]
    # A quaternion and its negative are the same rotation; scipy's choice of the two is not ours.
    signs = torch.where((rotation * action[:, :4]).sum(1, keepdim=True) < 0, -1.0, 1.0)
    apart += [(rotation - signs * action[:, :4]).abs().max(), (batch.action[:, 4:] - action[:, 4:]).abs().max()]
    differ = float(torch.stack(apart).max())
    if not differ < TOLERANCE:
        raise ContextSSLError(f"the two ways' pairs differ by up to {differ:.2e}; please report this")
    return differ
