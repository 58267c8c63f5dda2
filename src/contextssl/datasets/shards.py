"""A packed store in shards, read from a folder, a web server or an object store as training goes on."""

from __future__ import annotations

from pathlib import Path

from contextssl.config.data_settings import DataSettings, ShardsSettings, names_of
from contextssl.data_set import DataSet, Opened
from contextssl.errors import DataError, SettingsError

# Where what is fetched is kept.
CACHE = "~/.cache/contextssl/shards"


def _open(settings: DataSettings, progress: bool) -> Opened:
    from dataclasses import replace
    from functools import partial

    from contextssl.data.opened import rendered
    from contextssl.data.sharded_views import ShardedPairs, open_shards
    from contextssl.system.remote import place_of

    if settings.shards is None:
        raise DataError("no data: name the folder or address that contextssl data shard wrote, shards=s3://bucket/folder")
    if settings.shuffle_gb > settings.shard_cache_gb:
        raise SettingsError(
            f"shuffle_gb is {settings.shuffle_gb:g} and shard_cache_gb {settings.shard_cache_gb:g}: what batches are drawn of is kept, so raise "
            "the second or lower the first"
        )
    place = place_of(settings.shards, settings.shard_options)
    folder = Path(settings.shard_cache or CACHE).expanduser()
    store = open_shards(place, folder, int(settings.shard_cache_gb * 1e9))
    data = rendered(store, settings, of=partial(ShardedPairs, window=int(settings.shuffle_gb * 1e9), lanes=settings.shard_lanes))
    return replace(data, description={**data.description, "path": place.address})


DATA_SET = DataSet(
    "shards",
    _open,
    place=8,
    views="images",
    reads=("resolution", "factors", *names_of(ShardsSettings)),
    found_by="shards",
)
