"""Data in shards: the same views wherever they lie, each item once an epoch, a cache with a limit, servers that are slow, stall and drop."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contextssl import checkpoints
from contextssl.cli import main
from contextssl.data import shard_cache
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.sharded_views import ShardedPairs, ShardedViews, open_shards
from contextssl.data.shards import Shard, write_shards
from contextssl.data.store import Store, open_store
from contextssl.errors import DataError, SettingsError
from contextssl.records.results import read_results
from contextssl.system import remote
from contextssl.system.remote import Place, place_of
from tests.rough_server import rough_server
from tests.sources import ToySource, toy_store

ITEM = 4 * 8 * 8 * 3
TINY = (
    *("resolution=8", "batch_size=8", "block_size=8", "backbone=resnet_compact", "width=16", "n_layer=1", "projection_dim=16"),
    *("auxiliary_width=16", "accelerator=cpu", "progress=false", "eval_ctxt=[0,2]", "val_pairs=8", "precision=32-true"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path]:
    """A store of 26 training items, and its shards of three items each."""
    folder = tmp_path_factory.mktemp("shards")
    store = toy_store(folder / "store", ToySource(items={"train": 26, "val": 7}, num_views=4), resolution=8)
    write_shards(store, place_of(str(folder / "shards")), 3 * ITEM + 100, progress=False)
    return store, folder / "shards"


def opened(place: Place | Path, folder: Path, limit: int = 10**9) -> dict[str, ShardedViews]:
    store = open_shards(place if isinstance(place, Place) else place_of(str(place)), folder, limit)
    return {split: views for split, views in store.items() if isinstance(views, ShardedViews)}


def test_every_view_is_that_of_the_store(written: tuple[Store, Path], tmp_path: Path) -> None:
    store, folder = written
    for split, views in opened(folder, tmp_path).items():
        whole = store[split]
        assert sorted(views.item_names) == sorted(whole.item_names) and list(views.item_names) != list(whole.item_names)
        place = [list(whole.item_names).index(name) for name in views.item_names]
        np.testing.assert_array_equal(views.latents, whole.latents[place])
        np.testing.assert_array_equal(views.labels, whole.labels[place])
        items = torch.arange(views.num_items).repeat_interleave(4)
        which = torch.arange(4).repeat(views.num_items)
        found = views.gather_views(items, which)
        torch.testing.assert_close(found, whole.gather_views(torch.tensor(place)[items], which), rtol=0, atol=0)
        assert found.is_contiguous(memory_format=torch.channels_last)
        again = pickle.loads(pickle.dumps(views))
        torch.testing.assert_close(again.gather_views(items[:5], which[:5]), found[:5], rtol=0, atol=0)
        assert len(pickle.dumps(views)) < 30_000


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 7), min_size=1, max_size=30), window=st.integers(1, 200))
def test_every_item_comes_once_and_neighbours_lie_in_few_shards(seed: int, sizes: list[int], window: int) -> None:
    bounds = np.cumsum([5, *sizes]).tolist()
    shards = tuple(Shard(f"{n}", a, b, 10 * (b - a), 0) for n, (a, b) in enumerate(itertools.pairwise(bounds)))
    views: Any = object.__new__(ShardedViews)
    views.__dict__.update(shards=shards, first=5)
    order = views.order(torch.Generator().manual_seed(seed), window)
    assert sorted(order.tolist()) == list(range(sum(sizes)))
    of = np.searchsorted([shard.stop for shard in shards], order.numpy() + 5, side="right")
    group = max(1, window * len(shards) // sum(shard.bytes for shard in shards))
    # Shards come in groups: once one has passed, it is not needed again.
    seen: list[int] = list(dict.fromkeys(of.tolist()))
    for start in range(0, len(seen), group):
        there = set(seen[start : start + group])
        rows = [row for row, shard in enumerate(of) if shard in there]
        assert rows == list(range(rows[0], rows[-1] + 1))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 7), min_size=4, max_size=30), lanes=st.integers(2, 4), share=st.integers(1, 3)
)
def test_every_batch_has_an_equal_share_of_each_lane(seed: int, sizes: list[int], lanes: int, share: int) -> None:
    bounds = np.cumsum([5, *sizes]).tolist()
    shards = tuple(Shard(f"{n}", a, b, 10 * (b - a), 0) for n, (a, b) in enumerate(itertools.pairwise(bounds)))
    views: Any = object.__new__(ShardedViews)
    views.__dict__.update(shards=shards, first=5)
    order = views.order(torch.Generator().manual_seed(seed), 100, lanes, lanes * share)
    assert sorted(order.tolist()) == list(range(sum(sizes)))
    lane = np.searchsorted([shard.stop for shard in shards], order.numpy() + 5, side="right") % lanes
    whole = min(sum(sizes[each::lanes]) for each in range(lanes)) // share
    expected = np.tile(np.repeat(np.arange(lanes), share), whole)
    np.testing.assert_array_equal(lane[: len(expected)], expected)


def test_a_process_fetches_its_own_lanes_and_the_batches_are_those_of_one(written: tuple[Store, Path], tmp_path: Path) -> None:
    mix = EnvironmentMix.parse(None, written[0]["train"].factors)

    def sampler(folder: str, together: bool = False) -> PairSampler:
        views = opened(written[1], tmp_path / folder)["train"]
        return PairSampler(ShardedPairs(views, window=6 * ITEM, lanes=2), mix, 8, 4, seed=3, together=together)

    for together in (False, True):
        whole, halves = sampler("whole", together), [sampler(f"half {rank}", together) for rank in range(2)]
        for step in range(whole.steps_per_epoch):
            batch = whole.batch(1, step)
            shares = [half.batch(1, step, rank, 2) for rank, half in enumerate(halves)]
            for name, tensor in batch.tensors().items():
                torch.testing.assert_close(torch.cat([share.tensors()[name] for share in shares]), tensor, rtol=0, atol=0)
            # Nine shards of three items: the first lane has 14 of them, the second 12, of which a batch takes four each.
            if step < 3:
                assert [np.unique(share.items.numpy() // 3 % 2).tolist() for share in shares] == [[0], [1]]
        items = torch.cat([whole.batch(1, step).items for step in range(whole.steps_per_epoch)])
        assert sorted(items.tolist()) == list(range(26))


def test_lanes_that_cannot_be(written: tuple[Store, Path], tmp_path: Path) -> None:
    views = opened(written[1], tmp_path)["train"]
    with pytest.raises(SettingsError, match="shard_lanes is 10: the training items lie in 9 shards"):
        ShardedPairs(views, window=100, lanes=10)
    with pytest.raises(SettingsError, match="choose a multiple of 12"):
        PairSampler(ShardedPairs(views, window=100, lanes=3), EnvironmentMix.parse(None, views.factors), 16, 8)


def test_a_window_shuffles_nearly_as_well_as_all_at_once(tmp_path: Path) -> None:
    """How many classes a batch has, and how far items travel, beside a shuffle of everything: 40 shards of items that were shuffled when written."""
    store = toy_store(tmp_path / "s", ToySource(items={"train": 400, "val": 3}, num_views=4, classes=20), resolution=8)
    write_shards(store, place_of(str(tmp_path / "shards")), 10 * ITEM + 100, progress=False)
    views = opened(tmp_path / "shards", tmp_path / "cache")["train"]
    assert len(views.shards) == 40

    def classes(order: torch.Tensor) -> float:
        return float(np.mean([len(np.unique(views.labels[part.numpy()])) for part in order.split(32)]))

    generator = torch.Generator().manual_seed(0)
    everything = np.mean([classes(torch.randperm(400, generator=generator)) for _ in range(30)])
    windowed = np.mean([classes(views.order(generator, 8 * views.shards[0].bytes)) for _ in range(30)])
    assert windowed > 0.97 * everything
    # Which items share a batch differs from epoch to epoch.
    together: Counter[tuple[int, int]] = Counter()
    for _ in range(20):
        for part in views.order(generator, 8 * views.shards[0].bytes).split(32):
            rows = sorted(part.tolist())
            together.update((a, b) for a in rows[:4] for b in rows if a < b)
    assert together.most_common(1)[0][1] < 20


def test_batches_are_a_function_of_seed_and_step_and_shares_make_up_the_batch(written: tuple[Store, Path], tmp_path: Path) -> None:
    views = opened(written[1], tmp_path)["train"]
    mix = EnvironmentMix.parse(None, views.factors)
    sampler, again = (PairSampler(ShardedPairs(views, window=6 * ITEM), mix, 8, 4, seed=3) for _ in range(2))
    for epoch, step in ((0, 0), (2, 1), (1, 2)):
        whole = sampler.batch(epoch, step)
        for name, tensor in again.batch(epoch, step).tensors().items():
            torch.testing.assert_close(tensor, whole.tensors()[name], rtol=0, atol=0)
        shares = [sampler.batch(epoch, step, rank, 2) for rank in (0, 1)]
        for name, tensor in whole.tensors().items():
            torch.testing.assert_close(torch.cat([share.tensors()[name] for share in shares]), tensor, rtol=0, atol=0)
    items = torch.cat([sampler.batch(5, step).items for step in range(sampler.steps_per_epoch)])
    assert sorted(items.tolist()) == list(range(26))


def test_the_cache_keeps_within_its_limit_and_fetches_again(written: tuple[Store, Path], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    views = opened(written[1], folder)["train"]
    size = max(shard.bytes for shard in views.shards)
    assert views.cache is not None
    views.cache.limit = 3 * size
    every, zeros = torch.arange(26), torch.zeros(26, dtype=torch.long)
    want = written[0]["train"]
    for _ in range(2):
        for item in every:
            one = views.gather_views(item[None], zeros[:1])
            place = list(want.item_names).index(views.item_names[int(item)])
            torch.testing.assert_close(one, want.gather_views(torch.tensor([place]), zeros[:1]), rtol=0, atol=0)
            kept = list(folder.glob("*.npy"))
            assert sum(path.stat().st_size for path in kept) <= 3 * size
    # What one call needs at once is kept even beyond it.
    assert len(views.gather_views(every, zeros)) == 26


def test_a_server_that_is_slow_and_fails_now_and_then_gives_the_same(
    written: tuple[Store, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr(remote, "STALL_SECONDS", 0.5)
    kinds = ["drop", "stall", "error", "slow"]

    def fault(path: str, asked: int) -> str:
        number = sum(map(ord, path))
        return kinds[(number + asked) % 4] if asked <= 2 else "slow" if number % 2 else ""

    with rough_server(written[1], fault) as server:
        views = opened(place_of(server.address), tmp_path / "cache")["train"]
        every, zeros = torch.arange(26), torch.zeros(26, dtype=torch.long)
        found = views.gather_views(every, zeros)
        assert max(server.asked.values()) >= 3
    local = opened(written[1], tmp_path / "local")["train"]
    torch.testing.assert_close(found, local.gather_views(every, zeros), rtol=0, atol=0)
    # Without the server what is there is enough.
    torch.testing.assert_close(views.gather_views(every, zeros), found, rtol=0, atol=0)


def test_a_server_that_stays_away_is_one_sentence_and_what_was_fetched_is_kept(
    written: tuple[Store, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))
    with rough_server(written[1], lambda path, asked: "drop" if "00003" in path else "") as server:
        views = opened(place_of(server.address), tmp_path / "cache")["train"]
        zeros = torch.zeros(26, dtype=torch.long)
        with pytest.raises(DataError, match=r"images-00003\.npy cannot be read after 3 tries .* run the same command again"):
            views.gather_views(torch.arange(26), zeros)
        assert len(list((tmp_path / "cache").glob("*.npy"))) >= 5
    with pytest.raises(DataError, match="cannot be read after 3 tries"):
        opened(place_of(server.address), tmp_path / "other")


def test_what_a_disk_has_lost_is_fetched_again(written: tuple[Store, Path], tmp_path: Path) -> None:
    every, zeros = torch.arange(26), torch.zeros(26, dtype=torch.long)
    found = opened(written[1], tmp_path)["train"].gather_views(every, zeros)
    for number, path in enumerate(sorted(tmp_path.glob("*.npy"))[:3]):
        data = path.read_bytes()
        path.write_bytes((data[:-40] + bytes(40), data[:50], bytes(len(data)))[number])
    torch.testing.assert_close(opened(written[1], tmp_path)["train"].gather_views(every, zeros), found, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["images-00002.npy", "latents.npy", "names.json", "manifest.json"])
def test_a_changed_byte_is_found(name: str, written: tuple[Store, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(written[1], tmp_path / "shards")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        opened(folder, tmp_path / "cache")["train"].gather_views(torch.arange(26), torch.zeros(26, dtype=torch.long))
    assert name in str(caught.value)
    # Once it is mended, what was fetched meanwhile is in nobody's way.
    shutil.copyfile(written[1] / name, folder / name)
    assert len(opened(folder, tmp_path / "cache")["train"].gather_views(torch.arange(26), torch.zeros(26, dtype=torch.long))) == 26


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda shards: shards.pop(), "do not hold the 33 items one after the other"),
        (lambda shards: shards[0].update(name="../x.npy"), "lists no shards"),
        (lambda shards: shards[0].update(bytes=-1), "lists no shards"),
        (lambda shards: shards[1].update(start=0), "one after the other"),
    ],
)
def test_a_manifest_that_lists_something_else_is_refused(change: Any, message: str, written: tuple[Store, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(written[1], tmp_path / "shards")
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest["shards"])
    # As whoever means it would write it.
    manifest.pop("digest")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=message):
        opened(folder, tmp_path / "cache")


def test_what_is_no_store_in_shards_is_said(written: tuple[Store, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.json cannot be read .*check the address"):
        opened(tmp_path / "nowhere", tmp_path / "cache")
    with pytest.raises(DataError, match="lists no shards"):
        opened(written[0].path, tmp_path / "cache")
    with pytest.raises(DataError, match=r"manifest\.json.*images\.npy|images\.npy"):
        open_store(written[1])


def test_a_cache_that_others_empty_is_an_error_after_some_tries(
    written: tuple[Store, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = opened(written[1], tmp_path)["train"]
    monkeypatch.setattr(shard_cache.ShardCache, "_opened", lambda *_: None)
    with pytest.raises(DataError, match="raise shard_cache_gb"):
        views.gather_views(torch.arange(3), torch.zeros(3, dtype=torch.long))


def test_a_run_on_shards_of_a_web_server_is_stopped_resumed_and_evaluated(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = toy_store(in_folder / "store", ToySource(items={"train": 26, "val": 7}, num_views=4), resolution=8)
    assert main(["data", "shard", str(store.path), "shards", "shard_mb=0.003", "progress=false"]) == 0
    assert "train on it: contextssl train dataset=shards shards=shards resolution=8" in capsys.readouterr().out
    with rough_server(in_folder / "shards") as server:
        words = ["dataset=shards", f"shards={server.address}", "shard_cache=cache", "shuffle_gb=0.00001", "shard_cache_gb=0.00002", *TINY]
        assert main(["train", *words, "epochs=3", "run_dir=whole", "workers=2"]) == 0
        assert main(["train", *words, "epochs=3", "run_dir=parts", "max_minutes=0.000001", "workers=0"]) == 0
        assert checkpoints.read(Path("parts/checkpoints/last.ckpt"))["global_step"] == 1
        assert main(["train", "resume=parts", "progress=false"]) == 0
        whole, parts = (checkpoints.read(Path(f"{run}/checkpoints/last.ckpt"))["state_dict"] for run in ("whole", "parts"))
        for name, weight in whole.items():
            torch.testing.assert_close(parts[name], weight, rtol=1e-4, atol=1e-5)
        assert main(["evaluate", "retrieval", "whole", "progress=false"]) == 0
    about, rows = read_results(Path("whole"))
    assert about["data"]["path"] == server.address and any(row.protocol == "retrieval" for row in rows)


def test_settings_that_do_not_go_together(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "dataset=shards", *TINY]) == 2
    assert "shards=s3://bucket/folder" in capsys.readouterr().err
    assert main(["train", "dataset=shards", "shards=x", "shuffle_gb=9", "shard_cache_gb=3", *TINY]) == 2
    assert "raise the second or lower the first" in capsys.readouterr().err
    assert main(["train", "dataset=shards", "shards=nosuch://x/y", *TINY]) == 2
    assert "no address that fsspec knows" in capsys.readouterr().err
    assert main(["data", "shard"]) == 2
    assert "contextssl data shard STORE OUT" in capsys.readouterr().err


def test_an_object_store(written: tuple[Store, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's server, which answers as S3 does."""
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server")
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = {"endpoint_url": f"http://{host}:{port}"}
        import s3fs  # type: ignore[import-untyped]

        s3fs.S3FileSystem(**options).mkdir("bucket")
        place = place_of("s3://bucket/some/folder", options)
        write_shards(written[0], place, 3 * ITEM + 100, progress=False)
        views = opened(place, tmp_path / "cache")["train"]
        local = opened(written[1], tmp_path / "local")["train"]
        every, zeros = torch.arange(26), torch.zeros(26, dtype=torch.long)
        torch.testing.assert_close(views.gather_views(every, zeros), local.gather_views(every, zeros), rtol=0, atol=0)
        # The same shards are not written again.
        written_again: list[str] = []
        monkeypatch.setattr(Place, "write", lambda self, name, data: written_again.append(name))
        write_shards(written[0], place, 3 * ITEM + 100, progress=False)
        assert not any(name.startswith("images") for name in written_again)
        with pytest.raises(DataError, match="cannot be read"):
            opened(place_of("s3://bucket/other", options), tmp_path / "other")
    finally:
        server.stop()
