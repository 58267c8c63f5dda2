"""``contextssl data shapes`` and ``data pack``: make data ready for training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from contextssl import advice
from contextssl.config.data_settings import PackSettings, RenderSettings, ShardSettings
from contextssl.data.folder import write_folder
from contextssl.data.pack import pack
from contextssl.data.shapes.rendered_items import shapes_source
from contextssl.data.shards import SHARDS, write_shards
from contextssl.data.store import open_store
from contextssl.data.threediebench_folder import ThreeDIEBenchSource, packed_folder
from contextssl.errors import SettingsError
from contextssl.system.files import readable_bytes
from contextssl.system.remote import place_of


def run_shapes(settings: RenderSettings) -> int:
    source = shapes_source(settings, ood=settings.split == "ood")
    if source.unread:
        print(f"note: {settings.meshes} holds {source.unread}, which cannot be read here and are left out", file=sys.stderr)
    out = Path(settings.out)
    workers = settings.workers or None
    if settings.layout == "packed":
        pack(source, out, settings.resolution, workers=workers, progress=settings.progress)
    else:
        image_format: Any = settings.image_format
        write_folder(source, out, settings.resolution, image_format=image_format, workers=workers, progress=settings.progress)
    counts = ", ".join(f"{len(items):,} {split} objects" for split, items in source.splits.items())
    print(f"{out}: {counts} of {len(source.class_names)} classes, {source.num_views} views each, {settings.resolution} px")
    dataset = "shapes" if settings.layout == "packed" else "3diebench"
    if source.ood:
        words = ["contextssl", "evaluate", "all", "RUN", f"ood_dir={out}", "split=ood"]
        print(f"evaluate a run of dataset=3diebench on it: {advice.command(words)}")
        return 0
    words = ["contextssl", "train", f"dataset={dataset}", f"data_dir={out}", f"resolution={settings.resolution}"]
    print(f"train on it: {advice.command(words)}")
    return 0


def run_shard(settings: ShardSettings) -> int:
    if settings.data_dir is None or settings.out is None:
        raise SettingsError("name the packed store and where its shards go: contextssl data shard STORE OUT")
    place = place_of(settings.out, settings.shard_options)
    store = open_store(settings.data_dir)
    manifest = write_shards(store, place, int(settings.shard_mb * 1e6), settings.data_seed, settings.progress)
    shards = manifest[SHARDS]
    size = readable_bytes(sum(shard["bytes"] for shard in shards))
    words = ["contextssl", "train", "dataset=shards", f"shards={settings.out}", f"resolution={manifest['shape'][2]}"]
    print(f"{settings.out}: {len(shards):,} shards of {manifest['shape'][0]:,} items, {size}; train on it: {advice.command(words)}")
    return 0


def run_pack(settings: PackSettings) -> int:
    if settings.data_dir is None:
        raise SettingsError("name the folder to pack: contextssl data pack DIR [OUT] resolution=128")
    root = Path(settings.data_dir)
    out = Path(settings.out) if settings.out is not None else packed_folder(root, settings.resolution, settings.resize)
    source = ThreeDIEBenchSource(root, check_ranges=settings.check_ranges, resize=settings.resize)
    pack(source, out, settings.resolution, workers=settings.workers or None, progress=settings.progress)
    words = ["contextssl", "train", f"data_dir={out}", f"resolution={settings.resolution}"]
    print(f"{out}: packed; train on it: {advice.command(words)}")
    return 0
